"""Names and bytes: Hugging Face files to models, and back."""
