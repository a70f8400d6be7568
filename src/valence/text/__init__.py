"""From text to token ids: the tokenizer, and batches of equal length."""
