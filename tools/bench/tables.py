"""The results as Markdown: README.md is made from results/*.json and nothing else.

python tools/bench/tables.py
"""

import json
from pathlib import Path
from typing import Any

from billion import section

HERE = Path(__file__).parent

HEAD = """# Benchmarks

Made by `python tools/bench/tables.py` from `results/`; do not edit. Each is one command (`pip install ".[bench]"`, then
`python tools/bench/NAME.py`), compares in one run, in turn, and gives medians of ratios within a round. The machine
stands under each table. What each reaches for stands beside it; where it is not reached, the table says what holds it.
"""

ABOUT = {
    "stream": """## stream: images on disk to activations of a middle layer

The limit is onnxruntime on the same cut graph with pixels in memory (the faster of one run on all cores and a run a
core) and decoding alone, put together as if neither ever waited. Wanted: at least .95 of it, and at least 2.5 times
PyTorch hooks at 224x224. PyTorch hooks run the whole model behind a data loader with a worker a core; ART
(`get_activations`) wants all images in memory as float32.
""",
    "views": """## views: 26 views in one pass against 26 passes

Wanted: at most .6 of separate passes at 32x32, and no decoding again. The separate passes are our own stream, which
overlaps decoding with inference already; the floor is onnxruntime alone on the 26 views of pixels in memory. On small
PNGs the floor itself is above .6: inference is two thirds of the cost of a separate pass, and decoding is all that one
pass can save. Against images that have to be resized, and against PyTorch with a data loader, it is reached.
""",
    "memory": """## memory: a whole audit, fitting and all controls included

ResNet-18 at 64x64, N known and N questioned images. Wanted: growth under 100 MB from 1,000 to 60,000, and under 1,500
MB in all.
""",
    "parts": """## parts: two processes and their merge against one

Time of the processor, of all processes together. Wanted: at most 1.10 times one process at .1 CPU-seconds an image and
2,000 images, fixed costs included. The merge shows no image again but the few that controls and the check for changes
look at; controls are off here.
""",
    "ray_tasks": """## ray_tasks: a Ray cluster against one process

Time of the processor, of the command and of all processes of a cluster of three nodes on this machine. Wanted: at most
1.10 times one process at .1 CPU-seconds an image and 2,000 images, fixed costs included, and at most 25 CPU-seconds of
these. A cluster that stands already costs what its processes take to start (interpreter, imports, the model tried and
opened), what directs them, and what its own processes do meanwhile, which is more the longer a busy machine takes. Its
own start is told apart. 1.10 is not reached by this line, drawn through 60 images on a busy machine; with the same work
for an image in both, which is what runs, the fixed costs alone would make 1.05.
""",
    "merging": """## merging: what the process that merges parts holds

Parts are made up as `audit --part` writes them, beside a listing of as many rows of Parquet; controls are off, so that
nothing but what is kept of each image counts. The process lists the images, reads the parts, judges, and writes the
whole run. What it knows of each image lies on disk where a column is large. Wanted: under 1,500 MB at ten million
images. "columns" leaves the listing and the reading of part files out (`--from-columns`): the columns are made in the
process itself, as the parts would have filled them. Before columns lay on disk, ten million images would have taken 13
GB, by a line through two sizes.
""",
    "verifying": """## verifying: a check of a large run by somebody else

`verify` without model and images: hashes of all files, and everything that the run says judged again from its scores,
the page and tables included. Wanted: under 5 s at 100,000 images. Medians of the rounds.
""",
    "startup": """## startup: from a cold process to the answer

Wanted: .3 s for --help, 1.5 s for layers on 1,000 nodes, 2.5 s for an audit of 10 images with all controls.
""",
    "demo": """## demo: what each step of `onnxmint demo` costs

Wanted: under 35 s on two quiet cores, all controls included. Stages are those that the command shows.
""",
    "fit": """## fit: a module on 10,000 activations

Wanted: under 30 s. "Steps alone" is forward, backward and optimiser step on one batch in memory, as often. On maps of
256 channels it is not reached when early stopping comes late: a step's arithmetic alone takes longer on two cores.
""",
    "scale": """## scale: workers, threads in an operator, batch size

Whole pipeline, images on disk to the answer; `auto` is what the package takes.
""",
    "gpu-cuda": """## gpu on CUDA: what the device gives

`gpu.py`. Wanted: scores as on the CPU within 1e-5, and .9 of bare IO binding with pixels on the device already.
""",
    "gpu-cpu": """## gpu: one command for a device, the same path on a CPU

`gpu.py --device cpu`. These rows prove that the command works, not how fast a device is: none was at hand. On a CPU the
bare session and ours share the same cores, and "upload" is a copy in memory.
""",
    "places": """## places: images in an object store

`places.py`, against an S3 server on the same machine: calls and bytes are exact, CPU is that of one reader without
decoding, waiting is left out. A tar is read once to list it, since nothing else says where its members are.
""",
}


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table; what holds several values is a column each."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(column)) for column in columns) + " |" for row in flat]
    return "\n".join(lines)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        flat |= (
            {f"{key}: {inner}": number for inner, number in value.items()} if isinstance(value, dict) else {key: value}
        )
    return flat


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def machine(about: dict[str, Any]) -> str:
    """Return the machine as a sentence."""
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    return (
        f"{about['cpu']}, {about['cores']} cores, Python {about['python']}, {packages}; {about['date']}, load at start "
        f"{about['load_at_start']}."
    )


def page() -> str:
    """Return README.md."""
    parts = [HEAD]
    for name, about in ABOUT.items():
        file = HERE / "results" / f"{name}.json"
        if file.exists():
            found = json.loads(file.read_text())
            parts += [about, table(found["rows"]) + "\n", machine(found["machine"]) + "\n"]
    return "\n".join([*parts, section(table)])


def main() -> None:
    (HERE / "README.md").write_text(page())


if __name__ == "__main__":
    main()
