"""What a comparison of two models says: the same images in both, what changes and how surely."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.facts import Control, EvidenceFacts, TargetFacts
from onnxmint.results.frames import Tabular, storable
from onnxmint.results.json import Document, Facts
from onnxmint.results.leak import LimitFacts
from onnxmint.results.notebook import in_notebook
from onnxmint.stats.estimates import FloatArray, Measured
from onnxmint.stats.paired import Change
from onnxmint.stats.ranges import Count, Few, Share, Signed

SOMETIMES = ("group", "right_before", "right_after")
"""Columns of scores that may be empty throughout."""
SetName = Literal["forget", "members", "non-members"]
ChangeKind = Literal["more", "less", "no-change-seen", "below", "above", "unsettled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """One of the two models.

    Attributes:
        target: the model and how it was run.
        preprocess: how images were prepared for it.
        accuracy: on held-out images; None without labels.
    """

    target: TargetFacts
    preprocess: PreprocessSpec
    accuracy: Share | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSet:
    """One set of images in both models.

    Attributes:
        name: "forget" for images that the second model is to have forgotten, "members" for those that both were
            trained on, "non-members" for those that neither was.
        images: that both models gave a number for.
        changes: how it stands out from held-out images, measure by measure; accuracy where labels are known. Of
            non-members accuracy only.
        alike: rank correlation of the scores of its images in the two models; None where one has but one value.
    """

    name: SetName
    images: Count
    changes: tuple[Change, ...]
    alike: Signed | None

    def change(self, measure: str) -> Change | None:
        """Return one of the changes, None where it was not measured."""
        return next((one for one in self.changes if one.measure == measure), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeVerdict:
    """What a comparison comes to, of one set of images.

    Attributes:
        kind: with limits "below" (all proved), "above" (one proved) or "unsettled"; without them what the interval of
            the change of AUC says: "more", "less" or "no-change-seen".
        headline: in a few words, the number first.
        text: in a few sentences, with what the numbers do not say.
        set: of images, that it is about: those to be forgotten where there are some, else the members.
        limits: that were given, and what was found of each.
        stopped_by: controls that failed, so that no limit is settled.
    """

    kind: ChangeKind
    headline: str
    text: str
    set: SetName
    limits: tuple[LimitFacts, ...] = ()
    stopped_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonFacts:
    """What was compared, and how."""

    signal: str  # what scores an image
    title: str  # what a reader calls it
    source: str
    views: Few  # of each image, 0 where only the image itself was shown
    seed: int
    intervals: str  # how they were made
    limit: int | None = None  # images of each set that were drawn at most; None where all were taken


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedScores(Tabular):
    """Every image that both models gave a number for.

    Attributes:
        path: as reports name images.
        set: which each is of.
        before, after: (n,) its score in each model; higher means more like a member.
        above_before, above_after: (n,) share of the held-out images that score lower in that model, ties counting half.
        group: (n,) int64 which images belong together and are drawn whole; None where each stands for itself.
        right_before, right_after: (n,) whether that model's top class is the label; None without labels.
    """

    path: tuple[str, ...]
    set: tuple[SetName, ...]
    before: FloatArray
    after: FloatArray
    above_before: FloatArray
    above_after: FloatArray
    group: NDArray[np.int64] | None = None
    right_before: NDArray[np.bool_] | None = None
    right_after: NDArray[np.bool_] | None = None

    @classmethod
    def none(cls) -> "ComparedScores":
        """Return the scores of no image."""
        empty = np.empty(0, np.float64)
        return cls(path=(), set=(), before=empty, after=empty, above_before=empty, above_after=empty)

    def table(self) -> Any:
        """Return one row an image."""
        import pyarrow as pa

        columns = {
            "path": pa.array(list(map(storable, self.path)), pa.string()),
            "set": pa.array(self.set, pa.string()),
        }
        numbers = {name: getattr(self, name) for name in ("before", "after", "above_before", "above_after")}
        numbers["change"] = np.asarray(self.above_after) - np.asarray(self.above_before)
        columns |= {name: pa.array(values, pa.float64()) for name, values in numbers.items()}
        for name, kind in zip(SOMETIMES, (pa.int64(), pa.bool_(), pa.bool_()), strict=True):
            values = getattr(self, name)
            columns[name] = pa.nulls(len(self.path), kind) if values is None else pa.array(values, kind)
        return pa.table(columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Tabular):
    """The same images in two models, and all that is needed to repeat it."""

    version: str
    created: str  # ISO 8601, UTC
    before: ModelFacts
    after: ModelFacts
    settings: ComparisonFacts
    evidence: EvidenceFacts  # images that were trained on, to be forgotten or not, count as members
    controls: tuple[Control, ...]
    verdict: ChangeVerdict
    sets: tuple[ComparedSet, ...]
    scores: ComparedScores
    warnings: tuple[str, ...] = ()

    def judged(self) -> ComparedSet:
        """Return the set that the verdict is about."""
        return next(one for one in self.sets if one.name == self.verdict.set)

    def table(self) -> Any:
        """Return an Arrow table with a row for each measure of each set."""
        import pyarrow as pa

        rows = [
            {"set": one.name, "images": one.images} | _numbers(change) for one in self.sets for change in one.changes
        ]
        text, number = pa.string(), pa.float64()
        of_numbers = [f"{part}{end}" for part in _PARTS for end in ("", "_low", "_high")]
        kinds = [("set", text), ("images", pa.int64()), ("measure", text), *((name, number) for name in of_numbers)]
        return pa.Table.from_pylist(rows, schema=pa.schema([*kinds, ("no_interval", text)]))

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        rows = [
            (one.name, change.measure, *(_shown(getattr(change, part)) for part in _PARTS))
            for one in self.sets
            for change in one.changes
        ]
        return in_notebook(
            self.verdict.headline,
            (self.verdict.text, *(limit.text for limit in self.verdict.limits)),
            ("set", "measure", "before", "after", "difference"),
            rows,
            "scores.to_frame() has every image.",
        )


_PARTS = ("before", "after", "difference")

COMPARISON = Document(
    kind=Comparison,
    schema="onnxmint.comparison/2",
    elsewhere=("scores",),  # a table of its own, comparison.parquet
    mend="run onnxmint compare again",
)
"""comparison.json."""


def _numbers(change: Change) -> Facts:
    row: Facts = {"measure": change.measure, "no_interval": change.difference.no_interval}
    for part in _PARTS:
        one: Measured = getattr(change, part)
        row |= {part: one.value, f"{part}_low": one.low, f"{part}_high": one.high}
    return row


def _shown(one: Measured) -> str:
    interval = "" if one.low is None or one.high is None else f" ({one.low:.3f} to {one.high:.3f})"
    return f"{one.value:.3f}{interval}"
