"""ONNX graphs: reading untrusted files, finding layers, exposing and cutting them, merging the auditor."""
