"""What leaves on request: identities, scores, a person's own data, and the pseudonyms to remove."""
