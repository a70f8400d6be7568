"""A model written as an ONNX graph of our own, and the manifest that describes it."""
