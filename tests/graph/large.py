"""A classifier of 3 GB whose weights are a hole in a file, looked at under a limit on memory; run as a script.

python -m tests.graph.large FOLDER
"""

import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

from onnxmint.graph.instrument import GraphPreprocess, instrument
from onnxmint.graph.layer import choose_layer
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from onnxmint.graph.running import run_once
from onnxmint.graph.serial import save_model
from onnxmint.graph.surgery import expose
from onnxmint.graph.verify import verify_exposed

ROWS, COLUMNS = 2048, 366_211  # 3.0 GB in float32


def write(folder: Path) -> Path:
    """Write a convolution, and a dense layer whose weights take 3 GB on paper and none on disk."""
    rng = np.random.default_rng(0)
    small = {
        "conv1.weight": rng.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "last": np.arange(4),
        "flat": np.array([-1, ROWS]),
    }
    wide = TensorProto(name="wide.weight", data_type=TensorProto.FLOAT, dims=[ROWS, COLUMNS])
    wide.data_location = TensorProto.EXTERNAL
    size = ROWS * COLUMNS * 4
    for key, value in {"location": "wide.bin", "offset": "0", "length": str(size)}.items():
        wide.external_data.add(key=key, value=value)
    with (folder / "wide.bin").open("wb") as file:
        file.truncate(size)
    nodes = [
        helper.make_node("Conv", ["image", "conv1.weight"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1"], ["relu1"]),
        helper.make_node("Reshape", ["relu1", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "wide.weight"], ["wide"]),
        helper.make_node("Gather", ["wide", "last"], ["logits"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 4])],
        [*(numpy_helper.from_array(value, name) for name, value in small.items()), wide],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    (folder / "large.onnx").write_bytes(model.SerializeToString())
    return folder / "large.onnx"


class Watch:
    """Notes the most memory of its own that this process held: mapped files do not count, they can be dropped."""

    def __init__(self) -> None:
        self.most, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.002):
            held = process.memory_info()
            self.most = max(self.most, held.rss - held.shared)

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.most


def main(folder: Path) -> None:
    """Load, list, cut, run and instrument; print the most memory that was held, in MB."""
    path = write(folder)
    watch = Watch()
    target = load_target(path)
    layers = list_layers(target)
    early = choose_layer(layers, "conv1.relu")
    cut = expose(target, [early], cut=True)
    verify_exposed(target, cut, [early], cut=True)
    save_model(cut, folder / "cut.onnx")
    images = np.full((1, 3, 16, 16), 0.5, np.float32)
    tapped = run_once(expose(target, [early], cut=False), {"image": images}, ["relu1", "logits"], path)
    assert tapped["relu1"].any()
    pixels = GraphPreprocess(
        height=16, width=16, channels=3, channel_order="rgb", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3
    )
    prepared = instrument(target, [early], pixels, pool=(8, 8))
    feeds = {"image": np.full((2, 16, 16, 3), 128, np.uint8)}
    found = run_once(prepared.model, feeds, [prepared.answer], path)[prepared.answer]
    assert found.shape == (2, 4)
    assert not found.any()
    assert onnx.load(folder / "cut.onnx").ByteSize() < 10_000
    print(watch.stop() // 1_000_000)  # noqa: T201 - the result of a script


if __name__ == "__main__":
    main(Path(sys.argv[1]))
