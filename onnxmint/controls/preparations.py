"""Whether a declared preprocessing is plausible: the known ones are tried on a few images and ranked.

The one control that shows images to a model: what it judges is how they are shown.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.advice import Tried, advised, measure, ranked, with_leads
from onnxmint.controls.class_order import class_order
from onnxmint.cores import usable_cores
from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import ANSWER, expose
from onnxmint.engine.session import choose_device
from onnxmint.engine.target import Target, target_with
from onnxmint.errors import ImagesError, OnnxmintError, UsageError
from onnxmint.evidence.table import labels_of
from onnxmint.graph.load import TargetModel
from onnxmint.images.chosen import Decoded, Images
from onnxmint.images.entries import EncodedImage, ImageSource, size_of
from onnxmint.images.flight import in_order
from onnxmint.images.labels import FAULTY
from onnxmint.images.passed import why_fewer
from onnxmint.images.pillow import Stored, stored
from onnxmint.preprocess.declaring import Declarations, declarations, resolved_for
from onnxmint.preprocess.decoding import decode, final_size
from onnxmint.preprocess.spec import PreprocessSpec, Size
from onnxmint.preprocess.variants import (
    Variant,
    declared_variant,
    geometry_of,
    variants_of_filtering,
    variants_of_orientation,
    variants_of_pixels,
    variants_of_resizing,
    variants_of_rows,
)
from onnxmint.progress import Advance
from onnxmint.results.check import CheckResult
from onnxmint.results.facts import Skipped
from onnxmint.settings import EvidenceSettings
from onnxmint.stats.renumbering import best_renumbering, enough_for_any, label_without_output

SAMPLE = 256  # images; two preparations that differ by 10 points are told apart by them
_RESIZED = 2  # so many of the best scalings are tried with other ways to resize, then all with the best way

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pixels:
    """The sample as one way of resizing makes it."""

    index: Labels  # (n,) int64, positions in the source
    pixels: NDArray[np.uint8]  # (n, H, W, C)
    sizes: frozenset[Size]  # (height, width) as stored


def advice_for(target: Target, source: ImageSource, settings: EvidenceSettings, engine: Engine) -> str | None:
    """Return what trying the known preparations on some images finds; None where that is not possible."""
    try:
        return check_source(target.model, source, settings, engine).advice
    except OnnxmintError:
        return None


def check_source(
    target: TargetModel,
    source: ImageSource,
    settings: EvidenceSettings,
    engine: Engine,
    *,
    sample: int = SAMPLE,
) -> CheckResult:
    """Try the known preparations on a sample of images and rank them.

    Raises:
        OnnxmintError: no image can be read, or what was declared does not serve.
    """
    if sample < 1:
        raise ValueError(f"sample must be at least 1, got {sample}")
    trial = _Trial(target, source, settings, sample, engine)
    said = declarations(settings.preprocess, target)
    declared, classes = said.meant, target.answer.classes
    rows, ranked_by = ranked(_tried(trial, said, target), classes, trial.rng)
    best = rows[0]
    numbers = order = None
    if best.labels is not None and ranked_by == "best_permutation_accuracy":
        numbers = best_renumbering(best.labels, best.predicted, classes)
    if best.labels is not None and ranked_by != "score":
        order = class_order(source, numbers, best.labels, best.predicted, classes)
    key = None if declared is None else trial.key(declared)
    found = CheckResult(
        model=str(target.path),
        source=source.location,
        images=best.result.images,
        available=len(source.entries()),
        unreadable=len(trial.unreadable),
        classes=classes,
        ranked_by=ranked_by,
        declared=next((row.variant.name for row in rows if trial.key(row.variant) == key), None),
        fits=False,
        rivals=(),
        advice="",
        variants=with_leads(rows, ranked_by, classes),
        renumbering=numbers,
        order=order,
        raw=target.input.raw,
        outside=label_without_output(best.labels, classes),
        enough=best.labels is None or enough_for_any(best.labels),
        notes=(*said.notes, *trial.said()),
    )
    return advised(found)


def _tried(trial: "_Trial", said: Declarations, target: TargetModel) -> list[Tried]:
    """Return what the target says of the sample under every preparation that is worth trying."""
    classes, scalings = target.answer.classes, _scalings(said, target)
    tried = trial.run(scalings, "trying ways to scale pixels")
    if trial.turned:
        scalings = (*scalings, *(other for one in scalings for other in variants_of_orientation(one)))
        tried += trial.run(scalings, "trying orientations")
        best_way = ranked(tried, classes, trial.rng)[0][0].variant
        scalings = tuple(one for one in scalings if one.spec.orientation == best_way.spec.orientation)
    if (size := trial.needs_resizing()) is not None:
        likely = [row.variant for row in ranked(tried, classes, trial.rng)[0][:_RESIZED]]
        tried += trial.run(_resizings(likely, size), "trying ways to resize")
        best_way = ranked(tried, classes, trial.rng)[0][0].variant
        again = [other for other in _resizings(scalings, size) if other.same_geometry(best_way)]
        tried += trial.run(again, "trying ways to scale pixels again")
        best_way = ranked(tried, classes, trial.rng)[0][0].variant
        tried += trial.run(variants_of_filtering(best_way), "trying filters")
    return tried


class _Trial:
    """The target and a sample of images, decoded once for each way of resizing."""

    def __init__(
        self, target: TargetModel, source: ImageSource, settings: EvidenceSettings, sample: int, engine: Engine
    ) -> None:
        """Draw the sample and settle the device."""
        self.target, self.source, self.engine = target, source, engine
        self.device = choose_device(settings.device)
        self.batch_size = settings.batch_size
        self.rng = np.random.default_rng(settings.seed)
        entries = source.entries()
        if not entries:
            raise ImagesError(f"{source.location} holds no images; check the path")
        drawn = self.rng.choice(len(entries), min(sample, len(entries)), replace=False)
        self.entries = [entries[number] for number in np.sort(drawn)]
        self.labels = labels_of(self.entries) if settings.labels else None
        self.unreadable: list[Skipped] = []
        self.odd: set[int] = set()  # images of which the target gives NaN under some variant
        self.turned = False  # whether an image of the sample says that it is to be shown turned
        self._decoded: list[_Pixels] = []
        self._place: dict[PreprocessSpec, int] = {}
        self._tried: set[object] = set()
        self._seconds: dict[tuple[int, ...], float] = {}  # of one image of this size, of which one variant was tried

    def run(self, variants: Iterable[Variant], name: str) -> list[Tried]:
        """Try the variants that no earlier one equals."""
        new = []
        for variant in variants:
            if (key := self.key(variant)) not in self._tried:
                self._tried.add(key)
                new.append(variant)
        if not new:
            return []
        with self.engine.stage(name, len(new)) as advance:
            return [self._try(variant, advance) for variant in new]

    def said(self) -> tuple[str, ...]:
        """Return a sentence on images that were left out of rows, none where none was."""
        if not self.odd:
            return ()
        first = next(entry.path for entry in self.entries if entry.index in self.odd)
        return (
            f"{len(self.odd):,} of the images were left out of some rows: the model gives NaN or infinity of them (for "
            f"example {first}).",
        )

    def key(self, variant: Variant) -> object:
        """Return what makes a variant: the pixels it starts from, and what is done to them."""
        spec = self._resolved(variant)
        return self._geometry(spec), spec.layout, spec.channels, spec.scale, spec.mean, spec.std

    def needs_resizing(self) -> Size | None:
        """Return the (height, width) that the target takes when some image is stored in another, else None."""
        first = self._decoded[0]
        size = first.pixels.shape[1], first.pixels.shape[2]
        return size if first.sizes - {size} else None

    def _resolved(self, variant: Variant) -> PreprocessSpec:
        return resolved_for(variant.spec, self.target)

    def _geometry(self, spec: PreprocessSpec) -> int:
        """Return the number of the pixels that a preparation starts from; equal pixels have one number."""
        geometry = replace(geometry_of(spec), channels="gray" if spec.channels == "gray" else "rgb")
        if geometry not in self._place:
            found = self._decode(geometry)
            equal = (n for n, other in enumerate(self._decoded) if np.array_equal(other.pixels, found.pixels))
            self._place[geometry] = next(equal, len(self._decoded))
            if self._place[geometry] == len(self._decoded):
                self._decoded.append(found)
        return self._place[geometry]

    def _decode(self, geometry: PreprocessSpec) -> _Pixels:
        index, pixels, sizes, skipped = [], [], set(), []

        def decode_one(image: EncodedImage, _: threading.Event) -> tuple[int, NDArray[np.uint8], Stored] | Skipped:
            if image.data is None:
                return Skipped(path=image.path, reason=image.error or "unreadable")
            try:
                return image.index, decode(image.data, geometry), stored(image.data)
            except ImagesError as problem:
                return Skipped(path=image.path, reason=str(problem))

        images = self.source.read({entry.index for entry in self.entries})
        with self.engine.stage("reading the sample", len(self.entries)) as advance:
            for found in in_order(images, decode_one, workers=usable_cores(), size=size_of):
                if isinstance(found, Skipped):
                    skipped.append(found)
                else:
                    index.append(found[0])
                    pixels.append(found[1])
                    sizes.add((found[2].height, found[2].width))
                    self.turned |= found[2].orientation != 1
                advance(1)
        if not pixels:
            raise ImagesError(
                f"none of the {len(self.entries)} images drawn from {self.source.location} could be read"
                f"{why_fewer(self.source, skipped, none=True)}"
            )
        self.unreadable = self.unreadable or skipped
        return _Pixels(index=np.array(index, np.int64), pixels=np.stack(pixels), sizes=frozenset(sizes))

    def _try(self, variant: Variant, advance: Advance) -> Tried:
        """Show the target the sample under one variant."""
        spec = self._resolved(variant)
        decoded = self._decoded[self._geometry(spec)]
        target, size = target_with(self.target, spec, self.device), decoded.pixels.shape[1:]
        exposed = expose(target, (), views=0, labels=False, seconds=self._seconds.get(size))
        self._seconds[size] = exposed.graph.seconds
        count = len(decoded.index)
        images = Images(parts=(Decoded(pixels=decoded.pixels, row=np.arange(count), label=None),), count=count)
        seen = self.engine.observe(exposed.probe(batch_size=self.batch_size), images, name=f"as {variant.name}")
        answer, index = seen.columns[ANSWER], decoded.index
        odd = np.logical_not(np.isfinite(answer).all(axis=1))
        if 0 < odd.sum() <= max(1, FAULTY * count):
            self.odd.update(index[odd].tolist())
            answer, index = answer[~odd], index[~odd]
        labels = None
        if self.labels is not None:
            row_of = {entry.index: row for row, entry in enumerate(self.entries)}
            labels = self.labels[[row_of[number] for number in index.tolist()]]
        advance(1)
        return measure(variant, answer, self.target.answer.kind, labels, index)


def _scalings(said: Declarations, target: TargetModel) -> tuple[Variant, ...]:
    """Return the scalings to try, what was declared first.

    Raises:
        UsageError: the target takes images of any size, and none was declared.
    """
    first = tuple(one for one in (said.meant, *said.others) if one is not None)
    geometry = first[0].spec if first else PreprocessSpec(name="pixels as they are")
    image = target.input
    if image.features is not None:  # rows of pixels: the declared size says what they are
        image = image.settled(final_size(geometry), geometry.layout)
    if None in (image.height, image.width) and not (geometry.crop or geometry.size):
        raise UsageError(
            f"{target.path.name} takes images of any size: say which with --preprocess FILE, a TOML file such as "
            "size = [224, 224]; scalings and channel orders are then tried for it"
        )
    first = first or ((declared_variant(geometry),) if image.raw else ())
    tried = first if image.raw else (*first, *variants_of_pixels(geometry, image.channels))
    if image.features is None or image.channels == 1:
        return tried
    return (*first, *(row for one in tried for row in variants_of_rows(one)))  # equal ones are tried once


def _resizings(variants: Iterable[Variant], size: Size) -> list[Variant]:
    return [other for variant in variants for other in variants_of_resizing(variant, size)]
