"""Images looked up in a redacted run by who has its key: a person asks what was found of a picture of theirs."""

from collections.abc import Iterable, Sequence

from onnxmint import __version__
from onnxmint.images.sources import open_source
from onnxmint.results.audit import AuditResult
from onnxmint.results.frames import storable
from onnxmint.results.lookup import LookedUp, Lookup
from onnxmint.results.redaction import RedactionKey


def look_up(result: AuditResult, key: RedactionKey, names: Sequence[str] = (), images: Sequence[str] = ()) -> Lookup:
    """Return what a run says of images.

    Args:
        result: the redacted audit.
        key: to its names.
        names: of images as their place names them, or pseudonyms; none asks for all of `images`.
        images: places whose images may be meant, by which pseudonyms are told.

    Raises:
        OnnxmintError: a place cannot be opened.
    """
    listed = [storable(entry.path) for entry in open_source(images, labels=False).entries()] if images else []
    row_of = {pseudonym: row for row, pseudonym in enumerate(result.scores.path)}
    left_out = {one.path: one.reason for one in result.questioned.skipped}
    told = {key.name(name): name for name in listed}
    asked = list(_asked(names or listed, told, {*row_of, *left_out}, key))
    return Lookup(version=__version__, rows=tuple(_looked_up(*one, result, row_of, left_out) for one in asked))


def _asked(
    names: Iterable[str], told: dict[str, str], held: set[str], key: RedactionKey
) -> Iterable[tuple[str | None, str]]:
    """Yield name and pseudonym of each image that is asked for."""
    for name in names:
        yield (told.get(name), name) if name in held else (name, key.name(name))


def _looked_up(
    name: str | None, pseudonym: str, result: AuditResult, row_of: dict[str, int], left_out: dict[str, str]
) -> LookedUp:
    row, scores = row_of.get(pseudonym), result.scores
    if row is None:
        reason = left_out.get(pseudonym)
        found = "not in the run" if reason is None else "not judged"
        return LookedUp(name=name, pseudonym=pseudonym, found=found, reason=reason)  # type: ignore[arg-type]
    return LookedUp(
        name=name,
        pseudonym=pseudonym,
        found="judged",
        score=float(scores.score[row]),
        p_value=float(scores.p_value[row]),
        q_value=float(scores.q_value[row]),
        flagged=bool(scores.flagged[row]),
    )
