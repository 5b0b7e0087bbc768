"""What the pages of the site take from the code, and from the README and the changelog."""
