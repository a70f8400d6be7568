"""Checking a card: compared with its sources, measured again, and what became of each statement."""
