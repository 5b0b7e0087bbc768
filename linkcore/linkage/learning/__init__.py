"""What the data teach: how often records of one person, and of two, agree."""
