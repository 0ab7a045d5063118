"""How long a command takes to answer, from a cold process: --help, layers on 1,000 nodes, an audit of 10 images.

    pip install ".[bench]" && python tools/bench/startup.py

The bare limit beside each: a Python process that only imports what no implementation can do without.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from measuring import WORK, in_turn, machine, rounds_from, save
from onnx import TensorProto, helper, numpy_helper

import onnxmint

DEMO = Path(onnxmint.__file__).parent / "demo"
NODES = 1000
BARE = {
    "--help": "import click",
    "layers": "import onnx, onnx_ir, onnxruntime",
    "audit": "import onnx, onnx_ir, onnxruntime, scipy.stats, sklearn.linear_model, pyarrow.parquet, PIL.Image, jinja2",
}


def deep_model() -> str:
    """Write a classifier of 1,000 nodes: convolutions with a Relu each."""
    file = WORK / "deep.onnx"
    rng = np.random.default_rng(0)
    nodes, weights, last = [], [], "image"
    for number in range((NODES - 2) // 2):
        shape = (4, 3 if number == 0 else 4, 1, 1)
        weight = numpy_helper.from_array(rng.normal(0, 0.5, shape).astype(np.float32), f"w{number}")
        weights.append(weight)
        nodes.append(helper.make_node("Conv", [last, f"w{number}"], [f"c{number}"]))
        nodes.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"]))
        last = f"r{number}"
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "deep",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 4])],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return str(file)


def command(arguments: Sequence[str]) -> Callable[[], None]:
    return lambda: _run([sys.executable, "-m", "onnxmint", *arguments])


def _run(words: Sequence[str]) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def main() -> None:
    rounds = rounds_from(__doc__, default=5)
    about = machine()
    auditor = str(WORK / "demo-auditor.onnx")
    known = ["--members", f"{DEMO}/members.parquet", "--nonmembers", f"{DEMO}/nonmembers.parquet"]
    command(["train", f"{DEMO}/target.onnx", *known, "--preprocess", "0-1", "-q", "--overwrite", "-o", auditor])()
    ten = f"{DEMO}/questioned.parquet?rows=0:10"
    into = ["--overwrite", "-o", str(WORK / "startup-run")]
    jobs = {
        "--help": command(["--help"]),
        "layers": command(["layers", deep_model()]),
        "audit": command(["audit", f"{DEMO}/target.onnx", ten, "--auditor", auditor, "-q", *into]),
    }
    bare = {f"{name}, bare": lambda code=code: _run([sys.executable, "-c", code]) for name, code in BARE.items()}
    taken = in_turn(jobs | bare, rounds)
    rows = [
        {
            "command": name,
            "seconds": round(float(np.median(taken[name])), 2),
            "imports alone": round(float(np.median(taken[f"{name}, bare"])), 2),
        }
        for name in jobs
    ]
    save("startup", rows, about)


if __name__ == "__main__":
    main()
