"""The PyTorch modules: one encoder for DistilBERT and BERT, and the heads on top of it."""
