"""onnxruntime: which device runs, and how images become activations."""
