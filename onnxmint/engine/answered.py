"""The engine of who has observations and no model: what was observed is read, and never is a model shown anything.

Auditors are made of a model without weights; of them only what stands behind the observed answers is run.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.local import Gathered, in_batches
from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import ANSWER, FREE, ODDS, Probe, Shown
from onnxmint.engine.session import choose_device, open_session
from onnxmint.engine.worker import Encoded, Told, odd_rows
from onnxmint.errors import ImagesError, UnobservedError
from onnxmint.graph.cutting import behind
from onnxmint.graph.views import VIEW_SETS
from onnxmint.images.chosen import Decoded, Images, Part
from onnxmint.images.observed import Observation, is_observation, read_observation
from onnxmint.progress import Stage, quiet
from onnxmint.results.facts import Skipped

_CODE = 32  # bytes that stand for an image where pixels would: the hash of its file
_PIXELS = "observations hold no pixels"

Column = NDArray[Any]


class Answered:
    """Answers probes from observations, which take the place of the images' bytes."""

    def __init__(self, stage: Stage = quiet) -> None:
        """Tell `stage` of the progress."""
        self.stage = stage
        self._by_code: dict[bytes, Observation] = {}

    def observe(self, probe: Probe, images: Images, *, name: str) -> Observations:
        """Return what was observed of the images; see `Engine.observe`.

        Raises:
            UnobservedError: this was not observed.
        """
        asked, gathered = _Asked(probe), Gathered(probe, images)
        try:
            for part in images.parts:
                words = f"{part.name}, {name}" if isinstance(part, Part) else name
                with (self.stage if isinstance(part, Part) else quiet)(words, len(part.row)) as advance:
                    for told in self._told(asked, part):
                        gathered.add(told)
                        advance(len(told.row) + len(told.skipped))
        except BaseException:
            gathered.close()
            raise
        return gathered.observations()

    def _told(self, asked: "_Asked", part: Part | Decoded) -> Iterator[Told]:
        if isinstance(part, Decoded):
            found = [self._by_code.get(pixels.tobytes()) for pixels in part.pixels]
            if any(one is None for one in found):
                raise UnobservedError(f"{_PIXELS}, and were asked about other pixels than those that were observed")
            known = [one for one in found if one is not None]
            yield Told(row=part.row, columns=asked.kept(asked.outputs(known), part.label), pixels=part.pixels)
            return
        for batch in in_batches(part, asked.probe.batch_size):
            yield self._batch(asked, batch)

    def _batch(self, asked: "_Asked", batch: Encoded) -> Told:
        """Return what was observed of a few images."""
        place, found, skipped = list[int](), list[Observation](), list[Skipped]()
        for number, image in enumerate(batch.images):
            label = None if batch.label is None else int(batch.label[number])
            if image.data is None:
                skipped.append(Skipped(path=image.path, reason=image.error or "unreadable"))
                continue
            try:
                found.append(asked.observation(image.data, image.path, label))
                place.append(number)
            except ImagesError as problem:
                skipped.append(Skipped(path=image.path, reason=str(problem)))
        row = batch.row[place]
        if not place:
            return Told(row=row, columns=None, pixels=None, skipped=tuple(skipped))
        outputs = asked.outputs(found)
        codes = np.stack([one.looks["encoded"] for one in found]).reshape(len(found), 1, _CODE, 1)
        self._by_code |= {code.tobytes(): one for code, one in zip(codes, found, strict=True)}
        return Told(
            row=row,
            columns=asked.kept(outputs, None if batch.label is None else batch.label[place]),
            pixels=codes,
            skipped=tuple(skipped),
            odd={name: odd_rows(value) for name, value in outputs.items()} if asked.probe.leaves_out_odd else {},
            paths=tuple(batch.images[number].path for number in place),
        )


class _Asked:
    """What one probe asks, as columns of observations and, for an auditor, what stands behind them."""

    def __init__(self, probe: Probe) -> None:
        """Find out which columns answer it."""
        self.probe = probe
        self._reads = dict(probe.reads)
        self._wanted = {output: self._reads[output] for _, output in probe.columns if output in self._reads}
        self._session = None
        if len(self._wanted) < len(dict(probe.columns)):
            model, inputs = behind(probe.model, tuple(self._reads), [output for _, output in probe.columns])
            self._session = open_session(model, choose_device("cpu"), threads=1)
            self._wanted = {tensor: self._reads[tensor] for tensor in inputs}

    def observation(self, data: bytes, path: str, label: int | None) -> Observation:
        """Return one image as it was observed.

        Raises:
            ImagesError: it could not be shown, or is no observation.
            UnobservedError: something else was observed of it than is asked.
        """
        if not is_observation(data):
            raise UnobservedError(f"{path} is an image, and there is no model to show it to: give observations of it")
        found = read_observation(data)
        if found.error is not None:
            raise ImagesError(found.error)
        if self.probe.with_labels and ODDS in self._wanted.values() and found.label != label:
            raise UnobservedError(
                f"{path} was observed with label {found.label} and is asked about with {label}: give the labels that "
                "it was observed with, or use --no-labels"
            )
        return found

    def outputs(self, found: list[Observation]) -> Mapping[str, Column]:
        """Return (b, ...) columns of some images as the model, or the auditor, gave them."""
        read = {tensor: np.stack([self._value(one, what) for one in found]) for tensor, what in self._wanted.items()}
        if self._session is None:
            return {name: read[output] for name, output in self.probe.columns}
        names = [output for _, output in self.probe.columns]
        values = self._session.run(names, read)
        return {name: value for (name, _), value in zip(self.probe.columns, values, strict=True)}

    def _value(self, one: Observation, what: str) -> Column:
        """Return one column of one image.

        Raises:
            UnobservedError: it was not observed.
        """
        told = self.probe.with_labels or what != ODDS
        column = what if told or (self.probe.subject, FREE) not in one.answers else FREE
        value = one.answers.get((self.probe.subject, column))
        if value is None:
            there = ", ".join(sorted({name for _, name in one.answers if name not in (ANSWER, ODDS, FREE)})) or "none"
            raise UnobservedError(
                f"{what} of {_who(self.probe.subject)} was not observed (layers that were: {there}); ask for "
                "observations with --layers, --seed and --views as they are here"
            )
        return _in_views(value, self.probe.views) if what in (ODDS, FREE) else value

    def kept(self, outputs: Mapping[str, Column], labels: NDArray[np.int64] | None) -> Mapping[str, Any]:
        """Return what the probe keeps of them."""
        if self.probe.reduce is None:
            return outputs
        count = len(next(iter(outputs.values())))
        none = np.empty((count, 0, 0, 0), np.uint8)
        return self.probe.reduce(Shown(pixels=none, outputs=outputs, labels=labels))


def _in_views(odds: Column, views: int) -> Column:
    """Return the (V,) log-odds of a set of views, of those of a set that holds them all."""
    if views in (0, len(odds)):
        return odds
    there, wanted = VIEW_SETS.get(len(odds), ()), VIEW_SETS[views]
    if not set(wanted) <= set(there):
        raise UnobservedError(f"{views} views are asked about, and {len(odds)} others were observed: give --views")
    found: Column = odds[[there.index(view) for view in wanted]]
    return found


def _who(subject: str) -> str:
    sha256, _, twin = subject.partition(" ")
    return f"the model {sha256[:12]}{f' ({twin})' if twin else ''}"
