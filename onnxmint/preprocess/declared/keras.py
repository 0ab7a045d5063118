"""Keras applications: the three modes of keras.applications.imagenet_utils.preprocess_input. They do not resize."""

from onnxmint.errors import UsageError
from onnxmint.preprocess.spec import PreprocessSpec

KERAS = {
    "tf": PreprocessSpec(name="keras:tf", origin="keras", scale=1 / 127.5, mean=(1.0,)),
    "caffe": PreprocessSpec(name="keras:caffe", origin="keras", channels="bgr", mean=(103.939, 116.779, 123.68)),
    "torch": PreprocessSpec(
        name="keras:torch", origin="keras", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
}  # fmt: skip


def keras_mode(mode: str) -> PreprocessSpec:
    """Return the preprocessing of a mode.

    Raises:
        UsageError: there is no such mode.
    """
    if mode not in KERAS:
        raise UsageError(f"--preprocess keras:{mode}: no such mode; expected keras:{', keras:'.join(KERAS)}")
    return KERAS[mode]
