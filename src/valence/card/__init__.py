"""The model card: facts from config and reports, README.md rendered from them, and its claims checked."""
