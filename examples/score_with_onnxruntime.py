"""Score images with an auditor file and nothing but onnxruntime, NumPy and Pillow.

python examples/score_with_onnxruntime.py auditor.onnx image.png=3 ...

The number is the class; an auditor trained without labels takes none (image.png). For images that do not have the
input size, resize as the auditor's metadata (onnxmint.auditor, preprocess) says; here it is Pillow's bilinear.
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

if len(sys.argv) < 3:  # noqa: PLR2004 - the script, an auditor, an image
    sys.exit("usage: python score_with_onnxruntime.py auditor.onnx image.png[=class] ...")
session = onnxruntime.InferenceSession(sys.argv[1])
asks_labels = "label" in [given.name for given in session.get_inputs()]
_, height, width, channels = session.get_inputs()[0].shape
for word in sys.argv[2:]:
    path, _, label = word.partition("=")
    if asks_labels != bool(label):
        sys.exit(f"{word}: the auditor {'asks for a class: image.png=3' if asks_labels else 'takes no class'}")
    image = Image.open(path).convert("L" if channels == 1 else "RGB").resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.uint8).reshape(1, height, width, channels)
    feeds = {session.get_inputs()[0].name: pixels} | ({"label": np.array([int(label)])} if label else {})
    score, p_value, answer = session.run(["score", "p_value", "answer"], feeds)
    print(f"{path}: score {score[0]:.3f}, p-value {p_value[0]:.4f}, predicted class {answer[0].argmax()}")
