"""onnxmint: was this image in that model's training set? Membership audits of image classifiers through ONNX."""

__version__ = "0.1.0"
