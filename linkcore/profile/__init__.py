"""What the sources of a programme hold, before they are linked: shares, shapes, and what cannot be right."""
