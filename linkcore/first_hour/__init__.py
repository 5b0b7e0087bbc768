"""The first hour with one's own files: look at them, guess what they hold, and write the programme that links them."""
