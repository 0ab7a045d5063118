"""The bundled data of onnxmint demo."""
