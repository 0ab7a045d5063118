"""Sealed pictures held against a model: does it know the published variants better than a coin would have it?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.engine.local import Local
from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import ANSWER, expose
from onnxmint.engine.target import Target, make_ready, target_facts, target_warnings
from onnxmint.errors import EvidenceError
from onnxmint.evidence.gathering import given_classes
from onnxmint.evidence.sealed import Sealed, open_sealed, require_published
from onnxmint.images.chosen import Images, Part
from onnxmint.images.classes import Numbering, numbered_as_folders
from onnxmint.methods.signals import Observed, phi
from onnxmint.preprocess.declared.names import declared_names
from onnxmint.progress import Stage, quiet
from onnxmint.results.facts import Skipped, now
from onnxmint.results.seal import commitment_of
from onnxmint.results.sealed import SealedAudit, SealedScores, SealFacts
from onnxmint.settings import AuditSettings, EvidenceSettings
from onnxmint.verdict.coin import decide

_ALPHA = AuditSettings().alpha
_ODD = "the model gives NaN or infinity of one of its variants"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Classes:
    """What the scores are of: (n,) classes of the pictures, None for the model's own top class; and why."""

    labels: NDArray[np.int64] | None
    note: str | None = None


def audit_sealed(
    model: str | Path,
    private: Path,
    *,
    public: Path | None = None,
    committed: str | None = None,
    settings: EvidenceSettings | None = None,
    alpha: float = _ALPHA,
    stage: Stage = quiet,
    engine: Engine | None = None,
) -> SealedAudit:
    """Test whether a model was trained on pictures as they were published.

    No image need be known to be a member or not, and nothing is assumed of model or pictures: under no training, which
    variant was published is independent of everything that the model says of all of them.

    Args:
        model: the target, an ONNX file.
        private: the folder that seal wrote with --keep.
        public: the folder that was published, to be compared; None leaves that out.
        committed: the commitment as somebody else has it.
        settings: preprocessing, classes, labels, device; the defaults when None.
        alpha: level of the test.
        stage: told of the progress.
        engine: shows the pictures; this process when None.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve, or a seal that does not hold.
    """
    settings = settings or EvidenceSettings()
    sealed = open_sealed(private, committed=committed)
    compared = 0 if public is None else require_published(sealed, public)
    return _judged(sealed, make_ready(model, settings), settings, engine or Local(stage), alpha, (committed, compared))


def _judged(
    sealed: Sealed,
    target: Target,
    settings: EvidenceSettings,
    engine: Engine,
    alpha: float,
    held: tuple[str | None, int],
) -> SealedAudit:
    """Show all variants to the model and judge; `held` are the given commitment and the files that were compared."""
    classes = _classes(sealed, target, settings)
    scores, skipped = _scores(sealed, target, classes, settings, engine)
    kept = np.isfinite(scores).all(axis=1)
    if not kept.any():
        raise EvidenceError(
            f"the model gives no finite answer to any sealed picture, such as {skipped[0].path}: see with onnxmint "
            "check whether the preprocessing fits"
        )
    table = SealedScores(
        picture=np.flatnonzero(kept),
        drawn=sealed.drawn[kept],
        label=None if classes.labels is None else classes.labels[kept],
        score=scores[kept],
    )
    decided = decide(table, alpha, sure=held[0] is not None)
    return SealedAudit(
        version=__version__,
        created=now(),
        target=target_facts(target.model, (), target.device),
        preprocessing=target.spec,
        seal=_facts(sealed, *held),
        labels=classes.labels is not None,
        alpha=alpha,
        test=decided.test,
        ranks=decided.ranks,
        kind=decided.kind,
        headline=decided.headline,
        text=decided.text,
        skipped=skipped,
        warnings=(*target.notes, *target_warnings(target.model), *_warnings(classes, *held)),
        scores=table,
    )


def _facts(sealed: Sealed, committed: str | None, compared: int) -> SealFacts:
    return SealFacts(
        commitment=commitment_of(sealed.seal),
        committed=committed,
        created=sealed.seal.created,
        change=sealed.seal.change,
        pictures=len(sealed.drawn),
        compared=compared,
    )


def _warnings(classes: _Classes, committed: str | None, compared: int) -> Iterator[str]:
    if committed is None:
        yield (
            "The seal was held against itself only. To convince somebody else, give the commitment that they got "
            "before the model was trained (--commitment): a seal made after it can be made to fit."
        )
    if not compared:
        yield "The published pictures were not compared with the seal: name their folder as IMAGES."
    if classes.note is not None:
        yield classes.note


def _classes(sealed: Sealed, target: Target, settings: EvidenceSettings) -> _Classes:
    """Return the number of each picture's class, None where it is not sure which output of the model that is."""
    names = [one.label for one in sealed.seal.pictures]
    if not settings.labels or all(name is None for name in names):
        return _Classes(labels=None)
    known = [name for name in names if name is not None]
    numbering = _numbering(known, target, settings)
    if numbering is None or len(known) < len(names):
        why = "not all pictures have one" if numbering is not None else (
            "it is not known which outputs of the model they are (--classes FILE says it)"
        )  # fmt: skip
        return _Classes(
            labels=None,
            note=f"The classes of the pictures were not used: {why}. The p-value holds all the same; with them the "
            "test finds more.",
        )
    number = numbering.by_name()
    return _Classes(labels=np.array([number[name] for name in known], np.int64))


def _numbering(names: list[str], target: Target, settings: EvidenceSettings) -> Numbering | None:
    """Return which output each class name is: as given, as declared of the model, or by numbers or all names there."""
    outputs = target.model.answer.classes
    declared = declared_names(target.model.path, target.model.model.metadata_props)
    own = numbered_as_folders(names)
    if own.order != "numbers" and len(own.names) != outputs:
        own = Numbering(names=(), numbers=(), order="given")
    given = given_classes(settings)
    for one in (given, *(found.numbering for found in declared), own):
        if one is not None and set(names) <= set(one.names):
            fits = all(0 <= number < outputs for number in one.numbers)
            return one if fits else None
        if one is given and one is not None:
            return None
    return None


def _scores(
    sealed: Sealed, target: Target, classes: _Classes, settings: EvidenceSettings, engine: Engine
) -> tuple[NDArray[np.float64], tuple[Skipped, ...]]:
    """Return (n, k) log-odds of every variant, NaN where there are none, and the pictures that this leaves out."""
    every = np.arange(len(sealed.drawn))
    scores = scores_of(sealed, every, target, classes.labels, batch_size=settings.batch_size, engine=engine)
    left = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    return scores, tuple(Skipped(path=sealed.seal.pictures[row].name, reason=_ODD) for row in left)


def scores_of(
    sealed: Sealed,
    pictures: NDArray[np.int64],
    target: Target,
    labels: NDArray[np.int64] | None,
    *,
    batch_size: int | None,
    engine: Engine,
) -> NDArray[np.float64]:
    """Return (n, k) log-odds of every variant of some pictures, NaN where the model gives none of one.

    Args:
        sealed: all pictures.
        pictures: (n,) places of those that are asked for.
        target: the model.
        labels: (n,) of them; None takes the model's own top class for each variant.
        batch_size: how many are shown at once; None takes what suits the device.
        engine: shows them.
    """
    count, variants = len(pictures), sealed.seal.variants
    rows = np.arange(count * variants)
    index = (pictures[:, np.newaxis] * variants + np.arange(variants)).ravel()
    exposed = expose(target, [], views=0, labels=False)
    probe = exposed.probe(batch_size=batch_size, columns={ANSWER: exposed.columns[ANSWER]}, leaves_out_odd=True)
    part = Part(name="variants", source=sealed.source, index=index, row=rows, label=None)
    with engine.observe(probe, Images(parts=(part,), count=len(rows)), name="showing") as seen:
        whole = np.bincount(seen.row // variants, minlength=count) == variants
        said = seen.columns[ANSWER][whole[seen.row // variants]]
    answers = said.reshape(int(whole.sum()), variants, said.shape[1])
    found = np.full((count, variants), np.nan)
    told = None if labels is None else labels[whole]
    found[whole] = _odds(answers, target.model.answer.kind, told)
    return found


def _odds(answers: NDArray[np.float32], kind: str, labels: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return (n, k) log-odds of (n, k, classes) answers: of the label, or of each variant's own top class."""
    count, variants, outputs = answers.shape
    flat = answers.reshape(count * variants, outputs)
    classes = flat.argmax(axis=1) if labels is None else np.repeat(labels, variants)
    return phi(Observed(answer=flat, kind=kind, labels=classes)).reshape(count, variants)
