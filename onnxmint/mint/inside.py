"""References in the target's own graph, for modules that compare with them."""

from collections.abc import Sequence

from onnxmint.engine.beside import placed_beside
from onnxmint.engine.target import Target
from onnxmint.errors import ModelError
from onnxmint.graph.beside import ReferenceGraph
from onnxmint.graph.observed import is_without_weights
from onnxmint.methods.references import Reference

WEIGHTLESS = "the model is audited by observations, which hold no answers of references"


def with_references_beside(target: Target, references: Sequence[Reference]) -> tuple[Target, tuple[str, ...]]:
    """Put references beside a target; of each that cannot be there the reason is returned, with its name.

    A module learns from known images how the target's answers differ from the references'. It would learn something
    else from images that these were trained on, as questioned images are none.
    """
    if not references:
        return target, ()
    if is_without_weights(target.model.path) or target.model.input.mixes:
        why = WEIGHTLESS if is_without_weights(target.model.path) else "the model is shown one view of an image only"
        return target, tuple(f"{reference.name}: {why}" for reference in references)
    found = {reference.name: _placed(reference, target) for reference in references}
    placed = tuple(one for one in found.values() if isinstance(one, ReferenceGraph))
    reasons = [f"{name}: {one}" for name, one in found.items() if isinstance(one, str)]
    return target.beside_of(placed), tuple(reasons)


def _placed(reference: Reference, target: Target) -> ReferenceGraph | str:
    """Return a reference beside a target, or why it cannot be there."""
    if reference.trained.any():
        return "it was trained on some of the known images, as its list says"
    try:
        return placed_beside(reference.target, target)
    except ModelError as problem:
        return str(problem)


def alone_again(target: Target) -> Target:
    """Return a target without references beside it."""
    return target.beside_of(())


def left_out(reasons: Sequence[str]) -> list[str]:
    """Return what a reader has to know of references that the module does not compare with."""
    return [f"A reference serves the controls only, not the module. {reason}." for reason in reasons]
