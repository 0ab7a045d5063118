"""Steps of a check of an audit of sealed pictures: its answer follows, its seal holds, its scores come again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from onnxmint import __version__
from onnxmint.engine.local import Local
from onnxmint.engine.session import choose_device
from onnxmint.engine.target import target_with
from onnxmint.errors import OnnxmintError
from onnxmint.evidence.sealed import Sealed, open_sealed, require_published
from onnxmint.graph.bringing import brought
from onnxmint.graph.load import load_target
from onnxmint.progress import Stage
from onnxmint.results.manifest import Manifest
from onnxmint.results.sealed import SEALED, SealedAudit
from onnxmint.results.sealed_file import NAME, read_sealed
from onnxmint.results.verification import Step
from onnxmint.verdict.coin import decide
from onnxmint.workflows.asking_sealed import scores_of
from onnxmint.workflows.differing import Rendered, derived, differences, files_apart, unreadable
from onnxmint.workflows.recomputing import Draw, not_scored, scored_step
from onnxmint.workflows.rehashing import Places, may_be_there, model_again, word_of
from onnxmint.writing.regular import regular_bytes

_TAKEN = (
    "the scores themselves were taken as the run has them, and which variant was published: these are the matter of "
    "the steps recomputation and inputs"
)


def read_run(run: Path) -> SealedAudit:
    """Read an audit of sealed pictures back.

    Raises:
        OSError, ValueError, OnnxmintError: a file is missing or damaged.
    """
    scores = read_sealed(regular_bytes(run / NAME))
    return SEALED.read(regular_bytes(run / "sealed.json"), "sealed.json", scores=scores)


def derive_sealed(run: Path, rendered: Rendered | None) -> Step:
    """Test the kept scores again, and compare with what the run says.

    Args:
        run: folder of an audit of sealed pictures.
        rendered: gives what its page must hold; None leaves that out.
    """
    try:
        result = read_run(run)
        decided = decide(result.scores, result.alpha, sure=result.seal.committed is not None)
    except (OSError, ValueError, OnnxmintError) as problem:
        return unreadable(problem)
    expected = replace(
        result,
        test=decided.test,
        ranks=decided.ranks,
        kind=decided.kind,
        headline=decided.headline,
        text=decided.text,
        labels=result.scores.label is not None,
        seal=replace(result.seal, pictures=len(result.scores.picture) + len(result.skipped)),
    )
    words, written, follows = result.version == __version__, SEALED.facts(result), SEALED.facts(expected)
    found = [
        *differences(written, follows, words=words),
        *(files_apart(result, run, rendered) if rendered is not None and words else ()),
    ]
    said = f"p-value, ranks and answer follow from the scores of {len(result.scores.picture):,} pictures"
    return derived(found, exact=written == follows, words=words, follows=said, taken=_TAKEN)


def look_again_sealed(run: Path, manifest: Manifest, places: Places) -> Step:
    """Say whether the model is the same, and whether the seal is the one that the run names and fits what it says."""
    model, private = model_again(manifest, places), places.of("sealed", manifest)
    wrong, missing = [model.text] * model.wrong, [model.text] * (not model.done)
    said = ["the model is the same"]
    if not private or not Path(private[0]).is_dir():
        missing.append("the folder that seal wrote with --keep is not there (--sealed)")
    else:
        try:
            result = read_run(run)
            sealed = open_sealed(Path(private[0]), committed=result.seal.commitment)
            wrong += _of_another_draw(sealed, result)
            said.append(f"the seal is the one of the run, and its coin drew what the run says of {len(sealed.drawn):,}")
            public = places.of("images", manifest)
            if public and Path(public[0]).is_dir():
                said.append(f"{require_published(sealed, Path(public[0])):,} published files are the drawn variants")
            elif result.seal.compared:
                missing.append("the published pictures are not there (--images)")
        except (OSError, ValueError, OnnxmintError) as problem:
            wrong.append(str(problem).splitlines()[0])
    if wrong:
        return Step(
            name="inputs", outcome="failed", text="inputs are others than the run names", differences=tuple(wrong)
        )
    if missing:
        return Step(name="inputs", outcome="not done", text=f"cannot check: {'; '.join(missing)}")
    return Step(name="inputs", outcome="passed", text="; ".join(said))


def _of_another_draw(sealed: Sealed, result: SealedAudit) -> Iterator[str]:
    """Yield where the run says that another variant was published than the coin drew."""
    picture, drawn = result.scores.picture, result.scores.drawn
    if len(picture) and picture[-1] >= len(sealed.drawn):
        yield f"{NAME} holds picture {picture[-1]:,}, of {len(sealed.drawn):,} that are sealed"
        return
    for row in np.flatnonzero(sealed.drawn[picture] != drawn).tolist():
        name, coin = sealed.seal.pictures[int(picture[row])].name, sealed.drawn[picture[row]]
        yield f"{NAME} says that variant {drawn[row]} of {name} was published, the coin drew {coin}"


def score_sealed_again(run: Path, manifest: Manifest, places: Places, draw: Draw, stage: Stage) -> Step:
    """Score pictures again, all variants of each, which are drawn now: who made the run could not know which."""
    model, private = places.of("model", manifest), places.of("sealed", manifest)
    if not model or not may_be_there(model[0]):
        return not_scored("the model is not there (--model)")
    if not private or not Path(private[0]).is_dir():
        return not_scored("the folder that seal wrote with --keep is not there (--sealed)")
    try:
        result = read_run(run)
        sealed = open_sealed(Path(private[0]), committed=result.seal.commitment)
        with brought(model[0]) as path:
            loaded = load_target(path, answer=word_of(manifest, "answer"), sha256=manifest.target_sha256)
            target = target_with(loaded, result.preprocessing, choose_device(draw.device))
            kept = result.scores
            rows = np.sort(np.random.default_rng(draw.seed).permutation(len(kept.picture))[: draw.sample])
            label = None if kept.label is None else kept.label[rows]
            found = scores_of(sealed, kept.picture[rows], target, label, batch_size=None, engine=Local(stage))
    except (OSError, ValueError, IndexError, OnnxmintError) as problem:
        return not_scored(str(problem).splitlines()[0])
    far = np.abs(found - kept.score[rows]) / np.maximum(np.abs(kept.score[rows]), 1)
    apart = np.nan_to_num(far, nan=np.inf).max(axis=1, initial=0)
    names = [sealed.seal.pictures[picture].name for picture in kept.picture[rows].tolist()]
    return scored_step(apart, names, number=len(kept.picture), seed=draw.seed, words="pictures")
