"""Which module a training fits: what the evidence, the target and given references leave to choose from."""

from collections.abc import Sequence
from dataclasses import replace

from onnxmint.engine.target import Target, require_one_view
from onnxmint.errors import UsageError
from onnxmint.kinds import module_kind
from onnxmint.methods.references import Reference
from onnxmint.mint.inside import with_references_beside
from onnxmint.settings import TrainSettings


def fixed_in_advance(target: Target, settings: TrainSettings) -> TrainSettings:
    """Return settings for known non-members alone, from which no score can be learned.

    The score is `gap`. How sure a model is of an image (`phi`) tells easy images from hard ones as well as members from
    others; how far it is surer of the very image than of its moved and mirrored copies finds more members and hardly
    knows easy from hard (`tools/study/validity`, part "alone"). A target that cannot be shown several views has `phi`
    only, with which members are found where given references share the finding.

    Raises:
        UsageError: another module, a layer or folds were asked for.
    """
    name = "phi" if target.model.input.mixes else "gap"
    if settings.module not in ("auto", name):
        raise UsageError(
            f"without --members the score is fixed in advance, and is {name}: other modules learn from known members, "
            f"or take easy images for members; leave out --module {settings.module}"
        )
    if settings.layers != ("auto",) or settings.folds is not None:
        word = "--layer" if settings.folds is None else "--folds"
        raise UsageError(f"{word} is for learning from known members, and there is no --members: leave it out")
    return replace(settings, module=name)


def one_view_if_mixing(target: Target, settings: TrainSettings) -> TrainSettings:
    """Take `phi` for `auto`, and refuse `views`, where a target cannot be shown several views of an image."""
    auto = settings.module == "auto"
    if not target.model.input.mixes or not (auto or module_kind(settings.module).views):
        return settings
    if not auto:
        require_one_view(target, settings.views)
        return settings
    return replace(settings, module="phi") if settings.layers == ("auto",) else settings


def with_inputs(
    target: Target, references: Sequence[Reference], settings: TrainSettings
) -> tuple[Target, tuple[str, ...]]:
    """Put references beside the target, for a module to compare with; return why others are not.

    Raises:
        UsageError: such a module was asked for, and there is nothing to compare with.
    """
    target, reasons = with_references_beside(target, references)
    if settings.module == "auto" or not module_kind(settings.module).references or target.beside:
        return target, reasons
    why = f"; {'; '.join(reasons)}" if reasons else ""
    raise UsageError(
        f"--module {settings.module} compares with models of the same task that were not trained on the known images: "
        f"give some with --reference{why}"
    )


def require_use(target: Target, reasons: Sequence[str], settings: TrainSettings) -> None:
    """Refuse references that serve the controls alone where there are to be none.

    Raises:
        UsageError: none is beside the target for a module to compare with, and --no-controls was given.
    """
    if not settings.reference or settings.controls or target.beside:
        return
    why = f" ({'; '.join(reasons)})" if reasons else ""
    raise UsageError(f"--reference serves the controls alone here{why}: leave out --no-controls, or the reference")
