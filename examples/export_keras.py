"""Export a Keras 3 classifier to ONNX, with its preprocessing beside it in onnxmint's words.

pip install keras
KERAS_BACKEND=torch python examples/export_keras.py OUT     # OUT/model.onnx, OUT/preprocess.toml

Put your own model in place of NETWORK; where you call a preprocess_input of Keras applications, PREPROCESS is one line:
--preprocess keras:tf, keras:caffe or keras:torch does the same. On TensorFlow, tf2onnx writes the file that
`export` writes here.
"""

import sys
from pathlib import Path

import keras
import numpy as np
from PIL import Image

SIZE = 32

NETWORK = keras.Sequential(
    [
        keras.Input((SIZE, SIZE, 3)),
        keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(4),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)


def prepared(image: Image.Image) -> np.ndarray:
    """Return (32, 32, 3): resized by Pillow as keras.utils.load_img(target_size=..., interpolation="bilinear") does."""
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR), np.float32) / 127.5 - 1


PREPROCESS = f"""size = [{SIZE}, {SIZE}]
resize = "squash"
filter = "bilinear"
scale = {1 / 127.5}  # to -1 .. 1, as keras:tf
mean = [1.0, 1.0, 1.0]
std = [1.0, 1.0, 1.0]
"""


def export(network: keras.Model, folder: Path) -> None:
    """Write the model and its preprocessing."""
    folder.mkdir(parents=True, exist_ok=True)
    network(np.zeros((1, SIZE, SIZE, 3), np.float32))  # a model that was never called cannot be exported
    network.export(folder / "model.onnx", format="onnx", verbose=False)
    (folder / "preprocess.toml").write_text(PREPROCESS, "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the script, a folder
        sys.exit("usage: python export_keras.py OUT")
    export(NETWORK, Path(sys.argv[1]))
    print(f"onnxmint layers {sys.argv[1]}/model.onnx")
