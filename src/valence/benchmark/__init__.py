"""valence beside its peers: the same weights, the same texts, in turn."""
