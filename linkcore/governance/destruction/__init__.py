"""The end of a programme: its data and keys are destroyed, and each provider gets a certificate."""
