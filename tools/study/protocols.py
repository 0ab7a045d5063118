"""Protocols under which the published modules do tell the two sides apart, and what shows that it is no membership.

    python tools/study/protocols.py --shared ../shared     # a row that has its result is skipped; then the tables

Each row shows 1,000 members and 1,000 non-members (GTSRB: 3,000, which are 100 tracks) to the paper's CNN, fits `cnn`
and `vanilla` as published on four of its layers, does the same with the placebo twin, and asks the controls of
`onnxmint train`.
"""

import argparse
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data
import numpy as np
import onesided
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from study import HERE, RESULTS
from tables import write_tables

FOLDER = RESULTS / "protocols"
LAYERS = ("relu1", "relu4", "relu6", "relu7")
Change = Callable[[Image.Image], bytes]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way to compare members and non-members.

    Attributes:
        name: of its result.
        target: of targets.py.
        change: what was done to the images of non-members before they were stored.
        by_group: whether near copies stay on one side of every split.
        each: images of each side.
    """

    name: str
    target: str = "cifar10-paper"
    change: Change | None = None
    by_group: bool = True
    each: int = 1000


def jpeg(quality: int) -> Change:
    """Return a change that stores an image as JPEG."""

    def changed(image: Image.Image) -> bytes:
        stored = io.BytesIO()
        image.save(stored, "JPEG", quality=quality)
        return stored.getvalue()

    return changed


def resized(side: int) -> Change:
    """Return a change that takes an image to another size and back, as a preparation of its own does."""

    def changed(image: Image.Image) -> bytes:
        stored, size = io.BytesIO(), image.size
        between = image.resize((side, side), Image.Resampling.BILINEAR)
        between.resize(size, Image.Resampling.BILINEAR).save(stored, "PNG")
        return stored.getvalue()

    return changed


PROTOCOLS = (
    Protocol(name="fair"),
    Protocol(name="gap: 2,000 images", target="cifar10-few-nodropout"),
    Protocol(name="gap: 10,000 images", target="cifar10-small-nodropout"),
    Protocol(name="gap: 10,000 images, dropout", target="cifar10-small"),
    Protocol(name="JPEG 95", change=jpeg(95)),
    Protocol(name="JPEG 75", change=jpeg(75)),
    Protocol(name="resized to 40 and back", change=resized(40)),
    Protocol(name="resized to 24 and back", change=resized(24)),
    Protocol(name="GTSRB by track", target="gtsrb-paper", each=3000),
    Protocol(name="GTSRB by image", target="gtsrb-paper", by_group=False, each=3000),
)


def evidence(protocol: Protocol, shared: Path, folder: Path) -> None:
    """Write members.parquet and nonmembers.parquet."""
    facts = json.loads((HERE / "targets" / "targets.json").read_text())[protocol.target]
    table = data.read(shared, facts["data"])
    halves, rng = data.halves(table, facts["data"], facts["members"]), np.random.default_rng(0)
    for side in ("members", "nonmembers"):
        drawn = data.draw(table, facts["data"], halves[side], protocol.each, rng)
        if protocol.change is not None and side == "nonmembers":
            stored = [{"bytes": protocol.change(one), "path": f"{n}"} for n, one in enumerate(_images(drawn))]
            drawn = drawn.set_column(0, "image", pa.array(stored))
        pq.write_table(drawn, folder / f"{side}.parquet")


def _images(table: pa.Table) -> list[Image.Image]:
    return [Image.open(io.BytesIO(one["bytes"])).convert("RGB") for one in table["image"].to_pylist()]


def measure(protocol: Protocol, shared: Path) -> dict[str, Any]:
    """Return AUCs by module and layer, of the target and of its twin, and the controls that failed."""
    from onnxmint import EvaluateSettings, TrainSettings, evaluate, train
    from onnxmint.graph.load import load_target
    from onnxmint.graph.placebo import placebo_twin
    from onnxmint.graph.serial import serialize

    facts = json.loads((HERE / "targets" / "targets.json").read_text())[protocol.target]
    model = HERE / "targets" / f"{protocol.target}.onnx"
    group = data.GROUP.get(facts["data"]) if protocol.by_group else None
    with tempfile.TemporaryDirectory() as name:
        sides = [Path(name) / f"{side}.parquet" for side in ("members", "nonmembers")]
        evidence(protocol, shared, Path(name))
        twin = Path(name) / "twin.onnx"
        twin.write_bytes(serialize(placebo_twin(load_target(model).model)))
        settings = EvaluateSettings(
            preprocess="0-1", views=2, layers=LAYERS, modules=("cnn", "vanilla"), group=group, device="cpu"
        )
        found = {
            "target": aucs(evaluate(model, *sides, settings=settings)),
            "twin": aucs(evaluate(twin, *sides, settings=settings)),
        }
        training = TrainSettings(
            preprocess="0-1", module="vanilla", layers=("relu6",), views=2, group=group, device="cpu"
        )
        auditor = train(model, *sides, settings=training)
    controls = {one.name: one.text for one in auditor.controls if one.passed is False}
    return {"protocol": protocol.name, "accuracy": facts["accuracy"], **found, "controls": controls}


def aucs(found: Any) -> dict[str, list[float]]:
    """Return AUC and the ends of its interval by "module on layer"."""
    return {
        f"{one.name} on {one.layer}": [one.performance.auc.value, one.performance.auc.low, one.performance.auc.high]
        for one in found.methods
        if one.layer is not None and one.performance is not None
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="the folder with models/ and data/")
    parser.add_argument("--only", nargs="*", help="names of rows")
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    work: dict[str, Callable[[], dict[str, Any]]] = {
        one.name: lambda one=one: measure(one, given.shared) for one in PROTOCOLS
    }
    work[onesided.NAME] = lambda: onesided.measure(given.shared, ordered=False)
    work[onesided.ORDERED] = lambda: onesided.measure(given.shared, ordered=True)
    for number, (name, make) in enumerate(work.items()):
        file = FOLDER / f"{number}.json"
        if file.exists() or (given.only and name not in given.only):
            continue
        file.write_text(json.dumps(make(), separators=(",", ":")) + "\n")
        print(name, flush=True)
    write_tables(RESULTS, HERE / "README.md")


if __name__ == "__main__":
    main()
