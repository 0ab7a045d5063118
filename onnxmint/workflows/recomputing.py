"""A step of a check: images that the checker drew are scored again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.local import Local
from onnxmint.engine.observations import Observations
from onnxmint.errors import OnnxmintError
from onnxmint.evidence.table import labels_of, rows_at
from onnxmint.graph.auditor_outputs import SCORE
from onnxmint.graph.bringing import brought
from onnxmint.images.chosen import Images, Part
from onnxmint.images.entries import EncodedImage, ImageSource
from onnxmint.images.sources import open_source
from onnxmint.mint.auditor import load_auditor
from onnxmint.progress import Stage
from onnxmint.results.audit import ScoreTable
from onnxmint.results.basis import Basis
from onnxmint.results.frames import storable
from onnxmint.results.manifest import Manifest
from onnxmint.results.redaction import RedactionKey
from onnxmint.results.score_file import read_scores
from onnxmint.results.verification import Step
from onnxmint.settings import AuditSettings, DeviceChoice
from onnxmint.stats.estimates import FloatArray
from onnxmint.verdict.opinions import SECOND
from onnxmint.workflows.opening import Ready, open_with_auditor
from onnxmint.workflows.questioning import scoring
from onnxmint.workflows.rehashing import Places, may_be_there
from onnxmint.workflows.veiling import told_classes
from onnxmint.writing.regular import regular_bytes

SAME = 1e-5
"""Largest difference of a score on another processor; 1 at least where scores are larger than 1."""
_SURE = 0.95
_SHOWN = 5  # images that are named

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """Rows of the score table, and where they are in the source."""

    row: Rows
    index: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Which images are scored again, and where.

    Attributes:
        sample: number of images, all if there are no more.
        seed: of the draw.
        device: where the model runs.
        key: of names that the run does not tell; None where it tells them.
    """

    sample: int
    seed: int
    device: DeviceChoice
    key: RedactionKey | None = None


def score_again(run: Path, manifest: Manifest, places: Places, draw: Draw, stage: Stage) -> Step:
    """Score images again, which are drawn now: who made the run could not know which.

    Args:
        run: folder of an audit.
        manifest: of it.
        places: where model and images are.
        draw: which images.
        stage: told of the progress.
    """
    model, images = places.of("model", manifest), places.of("images", manifest)
    why = _why_not(manifest, model, images, draw)
    if why is not None:
        return not_scored(why)
    try:
        scores, basis = read_scores(regular_bytes(run / "scores.parquet"))
        if basis is None:
            return not_scored("the run does not hold scores by network")
        auditor = load_auditor(run / "auditor.onnx")
        if draw.key is not None:
            named = open_source(images).numbering
            auditor = replace(auditor, classes=told_classes(draw.key, auditor.classes, named.names if named else ()))
        settings = AuditSettings(device=draw.device, labels=auditor.method.labels, controls=False)
        with brought(model[0]) as path:
            ready = open_with_auditor(path, images, auditor, settings)
            return _again(ready, settings, scores, basis, draw, stage)
    except (OSError, ValueError, OnnxmintError) as problem:
        return not_scored(str(problem).splitlines()[0])


def _why_not(manifest: Manifest, model: Sequence[str], images: Sequence[str], draw: Draw) -> str | None:
    """Return why images cannot be scored again, None when they can."""
    if manifest.kind != "audit":
        return "only an audit is scored again; make this run again from the same images"
    if manifest.redaction is not None and draw.key is None:
        return "the names of the images are redacted (--redaction-key)"
    if not model or not may_be_there(model[0]):
        return "the model is not there (--model)"
    return None if images else "the run does not say where the questioned images are (--images)"


def _again(ready: Ready, settings: AuditSettings, scores: ScoreTable, basis: Basis, draw: Draw, stage: Stage) -> Step:
    chosen = np.sort(np.random.default_rng(draw.seed).permutation(len(basis.sha256))[: draw.sample])
    drawn, wrong = _found(ready.source, scores, basis, chosen, draw.key)
    entries = ready.source.entries()
    labels = labels_of(entries)
    part = Part(
        name="drawn",
        source=ready.source,
        index=drawn.index,
        row=np.arange(len(drawn.row)),
        label=None if labels is None else labels[rows_at(entries, drawn.index)],
    )
    images = Images(parts=(part,), count=len(drawn.row))
    seen = Local(stage).observe(scoring(ready, settings), images, name="scored again")
    wrong += [f"{skipped.path}: {skipped.reason}" for skipped in seen.skipped]
    row = drawn.row[seen.row]
    apart, names = _apart(basis, row, seen), [scores.path[one] for one in row.tolist()]
    return scored_step(apart, names, number=len(basis.sha256), seed=draw.seed, sample=len(chosen), wrong=wrong)


def _apart(basis: Basis, row: Rows, seen: Observations) -> FloatArray:
    """Return (m,) how far the scores of some rows are from those seen now; infinite where these are no numbers."""
    found = np.zeros(len(row))
    kept = {SCORE: basis.networks, **{name: getattr(basis, name) for name in SECOND}}
    for name, column in seen.columns.items():
        if kept.get(name) is not None:
            before, now = (values.reshape(len(values), -1) for values in (kept[name][row], column))
            far = np.abs(before - now) / np.maximum(np.abs(before), 1)
            found = np.maximum(found, np.nan_to_num(far, nan=np.inf).max(axis=1))
    return found


def _found(
    source: ImageSource, scores: ScoreTable, basis: Basis, chosen: Rows, key: RedactionKey | None
) -> tuple[_Drawn, list[str]]:
    """Return where the drawn images are, by name and, where that fails, by content; and which are others now."""
    named = str if key is None else key.name
    index_of = {named(storable(entry.path)): entry.index for entry in source.entries()}
    wanted = {index_of[scores.path[row]]: row for row in chosen.tolist() if scores.path[row] in index_of}
    place: dict[int, int] = {}

    def digest(image: EncodedImage) -> str:
        return named(hashlib.sha256(image.data or b"").hexdigest())

    for image in source.read(set(wanted)):
        if image.data and digest(image) == basis.sha256[wanted[image.index]]:
            place[wanted[image.index]] = image.index
    left = {basis.sha256[row]: row for row in chosen.tolist() if row not in place}
    if left:
        for image in source.read({entry.index for entry in source.entries()}):
            row = left.pop(digest(image), None)
            if row is not None:
                place[row] = image.index
    wrong = [f"{scores.path[row]} is not among the images, or is another file" for row in chosen.tolist()
             if row not in place]  # fmt: skip
    by_index = sorted(place.items(), key=lambda pair: pair[1])
    row, index = (np.array([pair[side] for pair in by_index], np.int64) for side in (0, 1))
    return _Drawn(row=row, index=index), wrong


def noticed_share(sample: int) -> float:
    """Return the share of altered rows of which a sample this large holds one with a probability of 95%."""
    return float(1 - (1 - _SURE) ** (1 / sample))


def scored_step(
    apart: FloatArray,
    names: Sequence[str],
    *,
    number: int,
    seed: int,
    sample: int | None = None,
    wrong: Sequence[str] = (),
    words: str = "images",
) -> Step:
    """Return the step recomputation.

    Args:
        apart: (m,) how far scores are from those of the run, as a share of these where they are larger than 1.
        names: of what was scored.
        number: of all that the run holds.
        seed: of the draw.
        sample: how many were drawn; None for all of `names`.
        wrong: what could not be scored.
        words: what is scored.
    """
    sample, wrong = len(names) if sample is None else sample, list(wrong)
    for place in np.argsort(-apart, kind="stable").tolist():
        if not apart[place] <= SAME:
            wrong.append(f"{names[place]}: scores differ by {apart[place]:.3g}")
    drawn = f"{sample:,} of {number:,} {words}, drawn with seed {seed},"
    if wrong:
        more = [f"and {len(wrong) - _SHOWN:,} more"] if len(wrong) > _SHOWN else []
        return Step(
            name="recomputation",
            outcome="failed",
            text=f"of {drawn} {len(wrong):,} do not give the scores of the run",
            differences=(*wrong[:_SHOWN], *more),
        )
    if not sample:
        return not_scored("no image was scored")
    rest = (
        "these are all"
        if sample == number
        else f"an edit of {noticed_share(sample):.2%} of the rows would have been noticed with 95%"
    )
    largest = float(apart.max(initial=0))
    text = f"{drawn} give the scores of the run (largest difference {largest:.2g}, at most {SAME:g}); {rest}"
    return Step(name="recomputation", outcome="passed", text=text)


def not_scored(why: str) -> Step:
    """Return the step recomputation that could not be done."""
    return Step(name="recomputation", outcome="not done", text=f"cannot check: {why}")
