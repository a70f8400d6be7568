"""Which words moved a score."""
