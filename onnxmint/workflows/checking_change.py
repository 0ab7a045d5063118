"""A step of a check of a comparison: its changes, intervals and verdict follow from the scores it kept."""

from dataclasses import replace
from pathlib import Path

from onnxmint import __version__
from onnxmint.errors import OnnxmintError
from onnxmint.results.comparison import COMPARISON, Comparison
from onnxmint.results.comparison_file import NAME, read_compared
from onnxmint.results.verification import Step
from onnxmint.stats.change_limits import ChangeLimit
from onnxmint.verdict.change import judge_change
from onnxmint.verdict.compared import compared_sets, with_places
from onnxmint.workflows.differing import (
    Rendered,
    columns_apart,
    derived,
    differences,
    files_apart,
    unreadable,
)
from onnxmint.writing.regular import regular_bytes

_TAKEN = (
    "controls, accuracy of each model on all images that it read, and the scores themselves were taken as the run has "
    "them: make the comparison again from the same images to check these"
)


def derive_change(run: Path, rendered: Rendered | None) -> Step:
    """Compare the kept scores again, with the same resamples, and hold the numbers against what the run says.

    Args:
        run: folder of a comparison.
        rendered: gives what its page and table must hold; None leaves these out.
    """
    try:
        scores = read_compared(regular_bytes(run / NAME))
        result = COMPARISON.read(regular_bytes(run / "comparison.json"), "comparison.json", scores=scores)
        expected = _again(result)
    except (OSError, ValueError, OnnxmintError) as problem:
        return unreadable(problem)
    words, written, follows = result.version == __version__, COMPARISON.facts(result), COMPARISON.facts(expected)
    found = [
        *differences(written, follows, words=words),
        *columns_apart(scores, expected.scores, NAME, scores.path),
        *(files_apart(result, run, rendered) if rendered is not None and words else ()),
    ]
    said = f"changes, intervals and verdict follow from the scores of {len(scores.path):,} images"
    return derived(found, exact=written == follows, words=words, follows=said, taken=_TAKEN)


def _again(result: Comparison) -> Comparison:
    """Return a comparison as it follows from its scores; what cannot be derived stays."""
    sets = compared_sets(result.scores, result.settings.seed)
    limits = [ChangeLimit(measure=one.measure, bound=one.bound) for one in result.verdict.limits]
    return replace(
        result,
        sets=sets,
        verdict=judge_change(sets, result.controls, limits),
        scores=with_places(result.scores),
    )
