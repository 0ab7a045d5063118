"""Real images and models: scores to draw audits from, evidence that is confounded on purpose, and what controls say."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageEnhance

from onnxmint.controls.seen import Seen
from onnxmint.controls.shift import files_control, pixels_control
from onnxmint.engine.local import Local
from onnxmint.engine.probe import ODDS, expose
from onnxmint.engine.target import make_ready
from onnxmint.evidence.copies import Copies
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import TEST, EvidenceTable
from onnxmint.images.chosen import Decoded, Images
from onnxmint.images.entries import EncodedImage, ImageEntry
from onnxmint.images.facts import ImageFacts, look_at
from onnxmint.progress import quiet
from onnxmint.results.facts import EvidenceFacts
from onnxmint.settings import EvidenceSettings
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.two_sample import auc_of

STUDY = Path(__file__).parents[1]
sys.path.insert(0, str(STUDY))
import data  # noqa: E402
from runs import TARGETS  # noqa: E402

_BATCH = 64


def model_of(name: str, shared: Path) -> Path:
    return (STUDY / "targets" if TARGETS[name].ours else shared / "models") / f"{name}.onnx"


def log_odds(name: str, shared: Path, pixels: np.ndarray, labels: np.ndarray, views: int = 1) -> np.ndarray:
    """Return (n, views) log-odds of the label by a model of the study."""
    target = make_ready(model_of(name, shared), EvidenceSettings(preprocess=TARGETS[name].preprocess, device="cpu"))
    exposed = expose(target, [], views=views, labels=True)
    probe = exposed.probe(batch_size=_BATCH, columns={ODDS: exposed.columns[ODDS]})
    part = Decoded(pixels=np.ascontiguousarray(pixels), row=np.arange(len(pixels)), label=labels)
    found: np.ndarray = Local().observe(probe, Images(parts=(part,), count=len(pixels)), name="").columns[ODDS]
    return found


def sides(name: str, shared: Path, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, pa.Table]:
    """Return rows of members and non-members of a target, and the table."""
    table = data.read(shared, TARGETS[name].data)
    found = (
        data.halves(table, TARGETS[name].data) if TARGETS[name].ours else data.third_party(table, TARGETS[name].data)
    )
    members, nonmembers = (rng.permutation(found[side])[:count] for side in ("members", "nonmembers"))
    return members, nonmembers, table


class Made:
    """A source of images made here."""

    location = "made"
    classes = None

    def __init__(self, encoded: list[bytes]) -> None:
        """Keep the encoded images."""
        self._encoded = encoded

    def entries(self) -> tuple[ImageEntry, ...]:
        """List them."""
        return tuple(
            ImageEntry(index=index, path=str(index), label=None, group=None) for index in range(len(self._encoded))
        )

    def read(self, wanted: Any = None) -> Iterator[EncodedImage]:
        """Yield them in order."""
        for index, content in enumerate(self._encoded):
            if wanted is None or index in wanted:
                yield EncodedImage(index=index, path=str(index), data=content)


def looked_at(members: list[bytes], nonmembers: list[bytes]) -> Seen:
    """Look at made evidence as an audit does, without a model."""
    sources = (Made(members), Made(nonmembers))
    facts = [look_at(one, wanted=set(range(len(one.entries()))), stage=quiet, name="") for one in sources]
    is_member = np.arange(len(members) + len(nonmembers)) < len(members)
    count = len(is_member)
    table = EvidenceTable(
        index=np.arange(count), is_member=is_member, labels=None, groups=None, part=np.full(count, TEST, np.int8),
        fold=np.zeros(count, np.int8),
    )  # fmt: skip
    return Seen(
        evidence=Evidence(table=table, sources=sources, facts=ImageFacts.joined(facts)),
        copies=Copies(
            known=count, on_both_sides=0, near_copies_of_members=0, left_out=0, grouped=0, left_out_images=()
        ),
        facts=EvidenceFacts(
            members=len(members), nonmembers=len(nonmembers), fit=0, calibrate=0, test=count, groups=None,
            accuracy_members=None, accuracy_nonmembers=None,
        ),
        classes=None,
    )  # fmt: skip


def png(image: Image.Image) -> bytes:
    room = io.BytesIO()
    image.save(room, "PNG")
    return room.getvalue()


def jpeg(image: Image.Image, quality: int) -> bytes:
    room = io.BytesIO()
    image.save(room, "JPEG", quality=quality)
    return room.getvalue()


CONFOUNDS = {
    "clean": png,
    "saved as JPEG 92": lambda image: jpeg(image, 92),
    "JPEG 92, then PNG": lambda image: png(Image.open(io.BytesIO(jpeg(image, 92)))),
    "resized to 28 and back": lambda image: png(image.resize((28, 28), 2).resize((32, 32), 2)),
    "5% brighter": lambda image: png(ImageEnhance.Brightness(image).enhance(1.05)),
}


def confounded(table: pa.Table, others: pa.Table, kind: str, *, count: int, runs: int, seed: int) -> dict[str, Any]:
    """Compare members with non-members that were handled otherwise (or are of another data set); count alarms."""
    rng = np.random.default_rng(seed)
    flagged = {"files": 0, "pixels": 0, "either": 0}
    aucs = []
    for _ in range(runs):
        rows = rng.permutation(len(table))[: 2 * count]
        members = [image.convert("RGB") for image in _images(table, rows[:count])]
        if kind == "other data set":
            nonmembers = [png(image) for image in _images(others, rng.permutation(len(others))[:count])]
        else:
            nonmembers = [CONFOUNDS[kind](image) for image in _images(table, rows[count:])]
        seen = looked_at([png(image) for image in members], nonmembers)
        found = {"files": files_control(seen, rng), "pixels": pixels_control(seen, rng)}
        alarms = {name: control.passed is False for name, control in found.items()}
        for name, alarm in alarms.items():
            flagged[name] += alarm
        flagged["either"] += any(alarms.values())
        aucs.append([found[name].auc.value for name in ("files", "pixels")])
    return {
        "kind": kind, "evidence": count, "runs": runs, "flagged": {name: n / runs for name, n in flagged.items()},
        "auc": dict(zip(("files", "pixels"), np.mean(aucs, axis=0).tolist(), strict=True)),
    }  # fmt: skip


def _images(table: pa.Table, rows: np.ndarray) -> list[Image.Image]:
    encoded = table["image"].combine_chunks().field("bytes").take(pa.array(rows))
    return [Image.open(io.BytesIO(item.as_py())).convert("RGB") for item in encoded]


def units(claimed: np.ndarray, others: np.ndarray) -> HeldOut:
    return HeldOut.of(claimed, others)


def passes(claimed: np.ndarray, others: np.ndarray) -> bool:
    """The reference control's rule."""
    return auc_of(units(claimed, others)).low <= 0.5  # noqa: PLR2004 - chance
