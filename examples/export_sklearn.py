"""Export a scikit-learn classifier of flattened pixels to ONNX, with its preprocessing beside it in onnxmint's words.

pip install skl2onnx
python examples/export_sklearn.py OUT     # OUT/model.onnx, OUT/preprocess.toml

Put your own pipeline in place of `trained`. Rows of pixels say nothing of the picture's shape, so the TOML has to.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

SIZE = 8


def trained() -> Pipeline:
    """Return a small network that knows digits of 8 x 8 grey pixels, scaled to 0 .. 1."""
    pixels, digits = load_digits(return_X_y=True)
    net = make_pipeline(StandardScaler(), MLPClassifier((32,), max_iter=30, random_state=0))
    return net.fit(pixels[:500].astype(np.float32) / 16, digits[:500])


def prepared(image: Image.Image) -> np.ndarray:
    """Return (64,): grey, resized, 0 to 1, row by row as numpy.reshape lays them."""
    grey = image.convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(grey, np.float32).reshape(-1) / 255


PREPROCESS = f"""size = [{SIZE}, {SIZE}]
resize = "squash"
filter = "bilinear"
channels = "gray"
layout = "flat-hwc"
scale = {1 / 255}
"""


def export(network: Pipeline, folder: Path) -> None:
    """Write the pipeline and its preprocessing; zipmap=False gives probabilities as a table, which runs faster."""
    folder.mkdir(parents=True, exist_ok=True)
    entry = [("pixels", FloatTensorType([None, SIZE * SIZE]))]
    last = network.steps[-1][1]
    model = to_onnx(network, initial_types=entry, options={id(last): {"zipmap": False}}, target_opset=17)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "preprocess.toml").write_text(PREPROCESS, "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the script, a folder
        sys.exit("usage: python export_sklearn.py OUT")
    export(trained(), Path(sys.argv[1]))
    print(f"onnxmint layers {sys.argv[1]}/model.onnx")
