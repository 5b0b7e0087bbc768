"""What is withheld from a release: records of people who opted out or objected, and sensitive records."""
