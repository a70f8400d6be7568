"""The audit as a page, its charts and pictures."""
