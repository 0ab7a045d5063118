"""Hold the page against `audit --no-controls` for many auditors, in Chromium: auditors.json and the README's table.

python -m tools.page.auditors            # all; about ten minutes on two quiet cores
python -m tools.page.auditors 'sklearn-*' demo

Each auditor is trained anew on a model of tests/models, of ../shared, or of the demo. Compared are all of report.json
that tells of the questioned images, every row of scores.csv, and every output of the auditor's own graph.
"""

import argparse
import base64
import csv
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from onnxmint import AuditSettings, TrainSettings, audit, train
from onnxmint.mint.auditor import Auditor, load_auditor
from onnxmint.page.making import make_page
from onnxmint.preprocess.decoding import decode
from onnxmint.results.audit import AUDIT, ScoreTable
from tests.models.images import CLASSES, Images
from tests.models.trial import MODELS, Trial, entries, evidence
from tools.fixtures.third_party import third_party

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "auditors.json", HERE / "README.md"
DEMO = HERE.parents[1] / "onnxmint" / "demo"
FIXTURES = (
    "torch-dynamo-resnet", "torch-dynamo-vit", "torch-dynamo-float16", "opset26-ir13", "torch-script-resnet",
    "torch-script-vit", "tf2onnx-nhwc", "tf2onnx-uint8", "jax-mixer", "paddle", "int8-qdq", "int8-qoperator",
    "int8-dynamic-vit", "ort-fused-vit", "float16-inside", "if-loop", "local-functions", "sklearn-boosting",
    "sklearn-forest", "sklearn-mlp", "lightgbm", "xgboost",
)  # fmt: skip
ODD = {"resampler": "torch", "filter": "bicubic", "resize": "squash", "transparency": "white", "orientation": "apply"}
"""How the images of one more auditor are prepared, which most never need."""
PARTS = ("verdict", "statistics", "identity", "next_steps", "evidence", "rule", "class_names", "calibration")
SHOWN = 16  # images that the graph alone is shown
EXACT = 1e-9  # relative, of what both sides work out from the same scores
_MARKS = ("<!-- auditors -->\n", "<!-- end of auditors -->\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One auditor, with what it is asked."""

    name: str
    model: Path
    auditor: Path
    images: Path


def cases(wanted: list[str], folder: Path) -> Iterator[Case]:
    """Train and yield the auditors of these names, wildcards allowed."""
    known, made = entries(), {}

    def asked(name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in wanted)

    for name in filter(asked, FIXTURES):
        size = known[name]["size"]
        if size not in made:
            made[size] = evidence(size, folder)
        yield _of_trial(name, Trial(MODELS / f"{name}.onnx", known[name], made[size], _new(folder / name)), CLASSES)
    for path, entry, given in third_party(folder):
        if asked(path.stem):
            classes = tuple(str(number) for number in range(int(given.asked.labels.max()) + 1))
            yield _of_trial(path.stem, Trial(path, entry, given, _new(folder / path.stem)), classes)
    if asked("prepared otherwise"):
        yield _odd(folder, known["torch-dynamo-resnet"])
    if asked("demo"):
        yield _of_demo(_new(folder / "demo"))


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _of_trial(name: str, trial: Trial, classes: tuple[str, ...]) -> Case:
    auditor = trial.train("--views", "2", "--no-controls")
    images = _laid_out(trial.given.asked, classes, trial.folder / "asked")
    return Case(name=name, model=trial.path, auditor=auditor, images=images)


def _laid_out(images: Images, classes: tuple[str, ...], folder: Path) -> Path:
    """Write images as PNG into one folder a class."""
    for number, (pixels, label) in enumerate(zip(images.pixels, images.labels.tolist(), strict=True)):
        place = folder / classes[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:03d}.png")
    return folder


def _odd(folder: Path, entry: dict[str, Any]) -> Case:
    """Return an auditor of images that are turned, laid on white and resized as PyTorch does."""
    size, place = entry["size"], _new(folder / "odd")
    scaling = {"scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    stated = {**scaling, "size": [size, size], **ODD}
    given = evidence(size, place)
    trial = Trial(MODELS / "torch-dynamo-resnet.onnx", {**entry, "preprocess": stated}, given, place)
    auditor, asked = trial.train("--views", "2", "--no-controls"), given.asked
    for number, (pixels, label) in enumerate(zip(asked.pixels, asked.labels.tolist(), strict=True)):
        image, exif = Image.fromarray(pixels).resize((size + number, 2 * size)), Image.Exif()
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        exif[0x0112] = 1 + number % 8
        (to := place / "asked" / CLASSES[label]).mkdir(parents=True, exist_ok=True)
        image.save(to / f"{number:03d}.{'png' if number % 2 else 'webp'}", exif=exif, lossless=True)
    return Case(name="prepared otherwise", model=trial.path, auditor=auditor, images=place / "asked")


def _of_demo(folder: Path) -> Case:
    """Return the demo's auditor, of 26 views, and its questioned images."""
    known = (DEMO / "members.parquet", DEMO / "nonmembers.parquet")
    settings = TrainSettings(preprocess="0-1", device="cpu", controls=False)
    (auditor := folder / "auditor.onnx").write_bytes(train(DEMO / "target.onnx", *known, settings=settings).model)
    for number, row in enumerate(pq.read_table(DEMO / "questioned.parquet").to_pylist()):
        (place := folder / "asked" / str(row["label"])).mkdir(parents=True, exist_ok=True)
        (place / f"{number:03d}.png").write_bytes(row["image"]["bytes"])
    return Case(name="demo", model=DEMO / "target.onnx", auditor=auditor, images=folder / "asked")


def held(case: Case, folder: Path) -> dict[str, Any]:
    """Judge with both and return how far they are apart."""
    auditor, page, out = load_auditor(case.auditor), folder / "page.html", folder / "said.json"
    page.write_bytes(make_page(case.auditor).files[""])
    feeds = _feeds(auditor, case.images)
    words = {
        "page": str(page), "images": str(case.images), "out": str(out),
        "graph": {"model": str(case.auditor), "feeds": {name: _packed(values) for name, values in feeds.items()}},
    }  # fmt: skip
    subprocess.run(["node", str(HERE / "tests" / "open.mjs"), json.dumps(words)], check=True, timeout=600)
    said = json.loads(out.read_text())
    if "result" not in said:
        raise SystemExit(f"{case.name}: the page says {said['status']!r}")
    result = audit(case.model, case.images, auditor, settings=AuditSettings(controls=False, device="cpu"))
    wanted = json.loads(AUDIT.write(result))
    other = [place for part in PARTS for place in _apart(said["result"][part], wanted[part], part)]
    return {
        "images": len(result.scores.path),
        "verdict": result.verdict.kind,
        **_rows(said["csv"], result.scores),
        "graph": _graph(case.auditor, feeds, said["graph"]),
        "other": other,
    }


def _feeds(auditor: Auditor, images: Path) -> dict[str, NDArray[Any]]:
    """Return some images as the auditor's graph takes them, with labels where it is told any."""
    graph = ort.InferenceSession(auditor.model, providers=["CPUExecutionProvider"])
    first, *rest = graph.get_inputs()
    count = first.shape[0] if isinstance(first.shape[0], int) else SHOWN
    paths = sorted(path for path in images.rglob("*") if path.is_file())[:: max(1, 120 // SHOWN)][:count]
    feeds: dict[str, NDArray[Any]] = {
        first.name: np.stack([decode(path.read_bytes(), auditor.preprocess) for path in paths])
    }
    return feeds | {one.name: np.arange(count, dtype=np.int64) % 6 for one in rest}


def _packed(values: NDArray[Any]) -> dict[str, Any]:
    data = base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
    return {"type": values.dtype.name, "dims": list(values.shape), "data": data}


def _graph(auditor: Path, feeds: dict[str, NDArray[Any]], found: dict[str, list[float]]) -> dict[str, float]:
    """Return how far each output of the auditor's graph is from what onnxruntime gives in Python."""
    graph = ort.InferenceSession(auditor, providers=["CPUExecutionProvider"])
    names = [one.name for one in graph.get_outputs()]
    wanted = dict(zip(names, graph.run(names, feeds), strict=True))
    return {name: _most(np.ravel(wanted[name]).astype(float), np.array(found[name])) for name in names}


def _most(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(f"{np.max(np.abs(one - other), initial=0.0):.1e}")


def _rows(text: str, scores: ScoreTable) -> dict[str, float]:
    """Return how far the columns of scores.csv are apart, and how many images have another top class."""
    rows = {row["path"]: row for row in csv.DictReader(text.removeprefix("\ufeff").splitlines())}
    if rows.keys() != set(scores.path):
        raise SystemExit("the page judged other images than the audit")
    ordered = [rows[path] for path in scores.path]
    columns = {name: np.array([float(row[name]) for row in ordered]) for name in ("score", "p_value", "q_value")}
    predicted = np.array([int(row["predicted"]) for row in ordered])
    return {
        **{name: _most(column, getattr(scores, name)) for name, column in columns.items()},
        "other_class": int((predicted != scores.predicted).sum()),
    }


def _apart(found: Any, wanted: Any, place: str) -> Iterator[str]:
    """Yield the places at which two values of report.json are not the same."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in wanted.keys() | found.keys():
            yield from _apart(found.get(name), wanted.get(name), f"{place}.{name}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            yield from _apart(one, other, f"{place}[{number}]")
    elif isinstance(wanted, float) and isinstance(found, (int, float)):
        if not abs(found - wanted) <= max(EXACT * abs(wanted), 1e-12):
            yield place
    elif found != wanted:
        yield place


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| auditor | images | verdict | score | p, q | graph: score, p_value, answer | all else |",
        f"|{' --- |' * 7}",
    ]
    for name, row in results.items():
        graph = ", ".join(f"{row['graph'][output]:.0e}" for output in ("score", "p_value", "answer"))
        same = not row["other"] and not row["other_class"]
        lines.append(
            f"| {name} | {row['images']} | {row['verdict']} | {row['score']:.0e} | {row['p_value']:.0e}, "
            f"{row['q_value']:.0e} | {graph} | {'equal' if same else ', '.join(row['other']) or 'top classes'} |"
        )
    return "\n".join(lines).replace("0e+00", "0") + "\n"


def write(results: dict[str, Any]) -> None:
    """Write both files."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    before, _, rest = PAGE.read_text().partition(_MARKS[0])
    _, _, after = rest.partition(_MARKS[1])
    PAGE.write_text(f"{before}{_MARKS[0]}{table(results)}{_MARKS[1]}{after}")


def main() -> None:
    """Run what was asked for; write after each auditor, so that nothing is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="*", default=["*"], help="names of auditors, with wildcards")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases(parser.parse_args().patterns, Path(scratch)):
            results[case.name] = held(case, Path(scratch))
            print(case.name, results[case.name], flush=True)
            write(results)


if __name__ == "__main__":
    main()
