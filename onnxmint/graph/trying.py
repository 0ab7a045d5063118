"""What a graph turns out to be when it runs: where its answer is, how its input is read, whether it stays the same."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxmint.errors import ModelError
from onnxmint.graph.answers import Answer, candidates, choose_answer
from onnxmint.graph.free_batch import can_be_freed
from onnxmint.graph.inputs import ASSUMED_SIZE, ImageInput, require_trial, trial_image
from onnxmint.graph.isolation import Budget, Trial, TrialTimeout
from onnxmint.graph.outputs import lacks_type, settle_outputs, settle_types
from onnxmint.graph.randomness import named, suspects, training_norms, without_dropout
from onnxmint.graph.running import budget_for, exposing, opened
from onnxmint.graph.wire import Arrays

_SIZES = (ASSUMED_SIZE, 32, 28, 64, 96, 128, 160, 192, 256, 299, 384, 48, 16, 8)
"""Heights and widths that are tried where a file says any size will do; only one works when a dense layer follows."""
_MIXED = 3e-3  # float16 rounds by less, whatever the batch; a shared scale of int8 moves answers by more
_SAME = 1e-4  # two runs of one graph differ by less, if at all
_TRIAL = 2  # images: one would hide tensors that have something else on their first axis
_TIMES, _LOOKED_FOR = 50, 3.0  # runs of some images, and seconds, to find what is seldom random
_MENDED = "export it in evaluation mode"
_FEW = 5  # runs of the optimised graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What trial runs showed of a graph.

    Attributes:
        model: the graph that was run: the one that came, or a copy without the Dropout that made it random.
        input: as it can be read.
        answer: where the class scores are.
        notes: what a reader has to know, a sentence each.
        erratic: outputs of the file that are others each time.
        squeezes: of a single image some tensors lose the axis of the batch.
    """

    model: ir.Model
    input: ImageInput
    answer: Answer
    notes: tuple[str, ...]
    erratic: tuple[str, ...]
    squeezes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trials:
    """What all trial runs of a file share."""

    path: Path
    wanted: str | None  # output that holds the class scores
    budget: Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a graph gave for some images."""

    image: ImageInput  # as it can be read
    answer: Answer
    values: Arrays  # by tensor name: candidates of the answer, and the outputs of the file
    erratic: tuple[str, ...]  # those that were others each time
    squeezes: bool


def try_out(model: ir.Model, image: ImageInput, path: Path, wanted: str | None) -> Tried:
    """Run a graph and say what it is; outputs that the file declares wrongly are declared as they are.

    Args:
        model: of a target.
        image: its input, as declared.
        path: where it came from.
        wanted: the output that holds the class scores; None finds it.

    Raises:
        ModelError: it gives no class scores, cannot be run, or answers at random.
        UsageError: it has no such output.
    """
    trials = _Trials(path=path, wanted=wanted, budget=budget_for(model))
    notes: list[str] = []
    if any(map(lacks_type, model.graph.outputs)):
        with opened(model, path, budget=trials.budget) as trial:
            settle_types(model, trial.types)
    seen = _look(model, image, trials)
    if seen.answer.tensor in seen.erratic:
        model, note = _calmed(model, seen, trials)
        notes.append(note)
        seen = _look(model, image, trials)
    notes += _on_training(model, seen, trials)
    notes += settle_outputs(model, seen.image, seen.values)
    notes += _on_outputs(model, seen)
    found = seen.image
    if found.batch == 1 and not can_be_freed(model, found, path, budget=trials.budget, ignored=seen.erratic):
        found = replace(found, mixes=True)
    return Tried(
        model=model,
        input=found,
        answer=seen.answer,
        notes=tuple(notes),
        erratic=seen.erratic,
        squeezes=seen.squeezes,
    )


def _look(model: ir.Model, image: ImageInput, trials: _Trials) -> _Seen:
    """Run a graph and find its answer, and the input as it really is.

    A file may declare a free batch size and hold shapes of a single image inside, or declare any height and width and
    work for one: it is then taken for what it is.
    """
    path = trials.path
    found = candidates(model, path, trials.wanted)
    outputs = ", ".join(f"{value.name!r} {value.shape}" for value in model.graph.outputs)
    if not found:
        raise ModelError(f"{path} gives no class scores (images by classes) to audit; its outputs: {outputs}")
    require_trial(image, image.batch or _TRIAL, path)
    names = dict.fromkeys([one.value.name or "" for one in found])
    names |= dict.fromkeys(value.name or "" for value in model.graph.outputs)
    with opened(exposing(model, list(names)), path, budget=trials.budget) as trial:
        problem = None
        for tried in _readings(image):
            try:
                values = trial.run(_noise(tried), list(names))
                answer = choose_answer(found, values, tried.batch or _TRIAL, path, outputs)
            except TrialTimeout:
                raise
            except ModelError as failed:
                problem = problem or failed
                continue
            if answer is not None:
                return _judged(model, trial, tried, answer, values)
    raise problem or ModelError(f"{path} gives no class scores for each image (images by classes); outputs: {outputs}")


def _readings(image: ImageInput) -> Iterator[ImageInput]:
    """Yield what an input may be: as declared, for one image at a time, of one size; the likeliest first."""
    yield image
    if image.batch is None:
        yield replace(image, batch=1)
    if image.features is None and image.height is None and image.width is None:
        for size in _SIZES[1:]:
            yield replace(image, height=size, width=size)


def _noise(image: ImageInput) -> Arrays:
    """Return noise as the graph takes it: the same each time, and not kept, for it may be large."""
    return {image.name: trial_image(image, _TRIAL, np.random.default_rng(0))}


def _judged(model: ir.Model, trial: Trial, image: ImageInput, answer: Answer, values: Arrays) -> _Seen:
    """Run the same images again, and each alone: say what changes."""
    suspect = bool(suspects(model, _values_of(model, values)))
    erratic = {
        name for name, value in trial.run(_noise(image), list(values)).items() if not _agree(value, values[name])
    }
    if suspect and answer.tensor not in erratic:
        erratic |= _seldom_erratic(trial, image, list(values))
    squeezes = False
    if image.batch is None and answer.tensor not in erratic:
        mixes, squeezes = _beside_others(trial, image, answer)
        image = replace(image, mixes=mixes)
    return _Seen(
        image=image,
        answer=replace(answer, rank=0) if squeezes else answer,
        values=values,
        erratic=tuple(name for name in values if name in erratic),
        squeezes=squeezes,
    )


def _seldom_erratic(trial: Trial, image: ImageInput, names: Sequence[str]) -> set[str]:
    """Return what differs in any of many runs, on strong and on faint images; what is seldom random hides in a few."""
    erratic: set[str] = set()
    strong = _noise(image)[image.name]
    faint = strong // 16 if image.raw else (strong / 16).astype(strong.dtype)
    until = time.monotonic() + _LOOKED_FOR
    for images in (strong, faint, np.zeros_like(strong)):
        first = trial.run({image.name: images}, names)
        for _ in range(_TIMES):
            again = trial.run({image.name: images}, names)
            erratic |= {name for name, value in again.items() if not _agree(value, first[name])}
            if erratic or time.monotonic() > until:
                return erratic
    return erratic


def _values_of(model: ir.Model, names: Sequence[str] | Arrays) -> list[ir.Value]:
    values = ir.convenience.create_value_mapping(model.graph, include_subgraphs=False)
    return [values[name] for name in names]


def _agree(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Say whether two runs gave the same, but for rounding."""
    if one.shape != other.shape or one.dtype.kind != "f":
        return np.array_equal(one, other)
    scale = max(1.0, float(np.abs(other[np.isfinite(other)]).max(initial=0)))
    return np.allclose(one, other, rtol=0, atol=_SAME * scale, equal_nan=True)


def _beside_others(trial: Trial, image: ImageInput, answer: Answer) -> tuple[bool, bool]:
    """Say whether two images are answered otherwise together than each alone, and whether one alone loses its axis."""
    images = trial_image(image, _TRIAL, np.random.default_rng(0))
    images[1] = images[1] // 3 if image.raw else images[1] * 0.3  # of another range, which dynamic quantisation notices
    together = trial.run({image.name: images}, [answer.tensor])[answer.tensor]
    alone = [trial.run({image.name: one[None]}, [answer.tensor])[answer.tensor] for one in images]
    squeezes = alone[0].ndim != together.ndim
    rows = np.stack([one.reshape(-1) for one in alone])
    if rows.size != together.size:
        return True, squeezes
    if not np.isfinite(together).all():
        return False, squeezes  # of noise; what it says of images is seen later
    tolerance = _MIXED * max(1.0, float(np.abs(together).max()))
    return not np.allclose(together.reshape(rows.shape), rows, rtol=0, atol=tolerance), squeezes


def _calmed(model: ir.Model, seen: _Seen, trials: _Trials) -> tuple[ir.Model, str]:
    """Return a random model without its Dropout, and a note, where onnxruntime leaves that out too.

    Raises:
        ModelError: it answers at random all the same.
    """
    nodes = suspects(model, _values_of(model, [seen.answer.tensor]))
    if any(node.op_type == "Dropout" for node in nodes):
        calm = without_dropout(model)
        if _stays_when_optimised(model, seen, trials, _answers(calm, seen, trials, 1, optimise=False)):
            return calm, (
                f"{named(nodes)} is left out by onnxruntime when it optimises the graph, and was left out here: "
                f"{_MENDED}."
            )
    why = f" ({named(nodes)})" if nodes else ", and no operator says why"
    raise ModelError(f"{trials.path}: the model answers at random{why}: {_MENDED}")


def _answers(model: ir.Model, seen: _Seen, trials: _Trials, times: int, *, optimise: bool) -> list[NDArray[np.generic]]:
    """Return what the graph, with its own outputs as audits and others run it, answers to the same images."""
    name = seen.answer.output
    scores = name in seen.values and seen.values[name].dtype.kind == "f"
    graph, name = (model, name) if scores else (exposing(model, [seen.answer.tensor]), seen.answer.tensor)
    with opened(graph, trials.path, optimise=optimise, budget=trials.budget) as trial:
        return [trial.run(_noise(seen.image), [name])[name] for _ in range(times)]


def _stays_when_optimised(
    model: ir.Model, seen: _Seen, trials: _Trials, like: Sequence[NDArray[np.generic]] = ()
) -> bool:
    """Say whether the optimised graph gives the same images the same answer each time, and that of `like`."""
    try:
        first, *others = (*like, *_answers(model, seen, trials, _FEW, optimise=True))
    except TrialTimeout:
        raise
    except ModelError:  # onnxruntime's own optimiser stumbles over a Dropout whose switch is computed
        return False
    return all(_agree(first, other) for other in others)


def _on_training(model: ir.Model, seen: _Seen, trials: _Trials) -> Iterator[str]:
    """Yield what there is to say of BatchNormalization in training mode.

    Raises:
        ModelError: its answers drift.
    """
    norms = training_norms(model, _values_of(model, [seen.answer.tensor]))
    if not norms:
        return
    if not _stays_when_optimised(model, seen, trials):
        raise ModelError(f"{trials.path}: the model answers at random ({named(norms)}): {_MENDED}")
    yield f"{named(norms)} takes its numbers from the images that it is shown: {_MENDED}."


def _on_outputs(model: ir.Model, seen: _Seen) -> Iterator[str]:
    """Yield what there is to say of single outputs."""
    for name in seen.erratic:
        why = suspects(model, _values_of(model, [name]))
        yield f"Its output {name!r} is random{f' ({named(why)})' if why else ''}: it was left out of all comparisons."
    if seen.answer.rank == 0 and not seen.squeezes:
        yield f"Its output {seen.answer.output!r} has no axis for images: it was read as the scores of the one image."
