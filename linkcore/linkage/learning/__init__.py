"""Learning from the data how often records of one person agree, and records of different people."""
