"""What is withheld: opt-outs, objections, exclusions and sensitive records."""
