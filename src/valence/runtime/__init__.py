"""Engines that turn token ids into logits, and the classifier built on them."""
