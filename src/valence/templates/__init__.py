"""Words and sentences that probes and debiasing fill in, each marked for auditing or for training."""
