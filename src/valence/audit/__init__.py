"""Probes of what a model does to people: one per file, and the page that shows what they found."""
