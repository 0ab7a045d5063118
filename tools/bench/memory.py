"""Peak memory of a whole audit, fitting and controls included, as the number of images grows.

    pip install ".[bench]" && python tools/bench/memory.py

N known images (half of them members) fit `cnn` on the 8x8 maps of a ResNet-18's middle at 64x64 pixels, the case with
most to keep between epochs, and `views`, the default; then N questioned images are audited. The bare limit: onnxruntime
in a process of its own with the same model and batch size.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

from measuring import WORK, machine, save
from networks import make
from pictures import pngs

SIZE = 64
BARE = f"""
import sys, numpy as np, onnxruntime as ort
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
for _ in range(20):
    session.run(None, {{"image": np.zeros((16, 3, {SIZE}, {SIZE}), np.float32)}})
"""


def peak(words: list[str]) -> tuple[int, float]:
    """Run a command in a process of its own; return its peak resident memory in MB and its seconds."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(done.returncode)"
    )
    start = time.perf_counter()
    found = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True)
    return int(found.stdout) // 1024, time.perf_counter() - start


def known_and_questioned(folder: Path, count: int) -> dict[str, str]:
    """Divide a folder of images into CSV files: members, non-members, questioned."""
    files = sorted(path for path in folder.iterdir() if path.suffix == ".png")
    parts = {
        "members": files[: count // 2],
        "nonmembers": files[count // 2 : count],
        "questioned": files[count:][:count],
    }
    places = {}
    for name, listed in parts.items():
        place = folder / f"{name}-{count}.csv"
        place.write_text("path\n" + "".join(f"{file.name}\n" for file in listed))
        places[name] = str(place)
    return places


def measure(count: int, module: list[str], folder: Path, model: Path) -> dict[str, object]:
    places = known_and_questioned(folder, count)
    words = [
        sys.executable,
        "-m",
        "onnxmint",
        "audit",
        str(model),
        places["questioned"],
        "--members",
        places["members"],
    ]
    words += ["--nonmembers", places["nonmembers"], "--preprocess", "imagenet", "-q"]
    words += ["--overwrite", "-o", str(WORK / "memory-run")]
    used, taken = peak([*words, *module])
    row = {"known": count, "questioned": count, "module": " ".join(module), "peak MB": used, "seconds": round(taken)}
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 60_000])
    parser.add_argument("--modules", nargs="+", default=["cnn", "views"], choices=["cnn", "views"])
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    about = machine()
    model = make("resnet18", WORK, size=SIZE).file
    folder = pngs(WORK, 2 * max(options.counts))
    bare, _ = peak([sys.executable, "-c", BARE, str(model)])
    chosen = {"cnn": ["--module", "cnn", "--layer", "7"], "views": ["--module", "views", "--views", "2"]}
    rows: list[dict[str, object]] = [{"known": 0, "questioned": 0, "module": "onnxruntime alone", "peak MB": bare}]
    for name in options.modules:
        found = [measure(count, chosen[name], folder, model) for count in options.counts]
        growth = int(str(found[-1]["peak MB"])) - int(str(found[0]["peak MB"]))
        rows += [*found[:-1], found[-1] | {"growth MB": growth}]
    save("memory", rows, about)


if __name__ == "__main__":
    main()
