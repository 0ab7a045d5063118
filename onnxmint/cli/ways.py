"""Ways on for somebody who has images and no evidence: what the model says of itself, and three things to do next."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onnxmint.cli.places import Asked, Parts, beside
from onnxmint.report.names import visible

if TYPE_CHECKING:
    from onnxmint.graph.load import TargetModel

LETTER = """\
     To check whether our images were used to train "{model}" (SHA-256
     {digest}...), please send us
       - the names, or copies, of {known:,} images drawn at random from its
         training set,
       - {known:,} images from the same source that were never used to train it,
       - how images are resized and normalised before the model sees them."""
_TIGHT = 0.55  # of a well-trained one
_ROUND = 100


def say_what_is_missing(model: Path, asked: Asked) -> None:
    """Explain what an audit needs beside the questioned images, and what to do without it."""
    missing = "--nonmembers" if asked.members else "--members and --nonmembers"
    reason = (
        "a score means something only next to the scores of images known to be in the training set and images known "
        "not to be; a few hundred of each will do. Where no members are known, --nonmembers alone can tell whether the "
        "images stand out"
    )
    click.echo(f"Error: {missing} missing (or --auditor): {reason}\n", err=True)
    for line in ways_on(model, asked.images).split("\n"):
        click.echo(visible(line), err=True)


def ways_on(model: Path, images: Sequence[str]) -> str:
    """Return what can be told without evidence, and three numbered ways on, with words to copy.

    Raises:
        OnnxmintError: the model cannot be read.
    """
    from onnxmint.graph.load import load_target
    from onnxmint.stats.needed import USUAL_AUC
    from onnxmint.workflows.planning import plan

    target = load_target(model)
    likely, tight = (plan(auc=auc, share=1.0) for auc in (USUAL_AUC, _TIGHT))
    known, needed = next(
        (count, asked)
        for count, asked in zip(likely.evidence, likely.questioned_needed, strict=True)
        if asked is not None and count >= (likely.evidence_needed or 0)
    )
    more = _rounded(tight.evidence_needed or 0)
    place, file = shlex.join(images), shlex.quote(str(model))
    letter = LETTER.format(model=model.name, digest=target.sha256[:16], known=known)
    found = beside(images[0]) if images else Parts()
    return "\n".join(
        [
            *_looked_at(model, target),
            *_lying_beside(file, place, found),
            "",
            "Three ways on:",
            f"  1. Ask whoever trained the model for evidence. {known:,} images of each kind do to",
            f"     notice {needed:,} images, all of them used, where a model gives away as much as",
            f"     many do (AUC {USUAL_AUC:.2f}); a tight one (AUC {_TIGHT:.2f}) takes {more:,}",
            "     of each. Words to copy:",
            "",
            letter,
            "",
            f"     then: onnxmint audit {file} {place} \\",
            "         --members train/ --nonmembers heldout/",
            "  2. Collect images like yours that were certainly not used: made, or published,",
            "     after the model was. They alone tell whether your images stand out (members can",
            "     then be found, never excluded):",
            f"     onnxmint audit {file} {place} --nonmembers later/",
            "  3. If the model was trained on a public data set, that is your evidence: its",
            "     training split are known members, its test split known non-members. To see",
            "     a whole audit first: onnxmint demo",
        ]
    )


def _looked_at(model: Path, target: "TargetModel") -> list[str]:
    from onnxmint.preprocess.declared.finding import declared_beside

    image, answer = target.input, target.answer
    size = "images of any size" if image.height is None else f"images of {image.height} x {image.width} pixels"
    kind = "grey" if image.channels == 1 else "colour"
    declared = declared_beside(target.path, target.model.metadata_props)
    if image.raw:
        how = "it prepares their pixels itself"
    elif len(declared) == 1 and declared[0].spec is not None:
        how = f"how they are prepared is declared in {declared[0].place}"
    else:
        how = "how they are prepared is not declared; an audit tries the ways that it knows"
    return [
        f"{model.name} reads {kind} {size} and tells {answer.classes:,} classes apart.",
        f"{how[0].upper()}{how[1:]}.",
    ]


def _lying_beside(file: str, place: str, found: Parts) -> list[str]:
    members, others = found.members, found.nonmembers
    if members is None or others is None:
        return []
    return [
        f"Beside the images lie {members}/ and {others}/.",
        "If these are known members and known non-members, an audit is:",
        f"     onnxmint audit {file} {place} \\",
        f"         --members {shlex.quote(members)} --nonmembers {shlex.quote(others)}",
    ]


def _rounded(count: int) -> int:
    """Return a number of images that one asks for."""
    return -(-count // _ROUND) * _ROUND
