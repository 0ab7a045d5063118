"""The questioned images at both ends of the scores as two strips of thumbnails inside the page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from onnxmint.report.language import Language
from onnxmint.results.audit import AuditResult, ScoreTable
from onnxmint.results.pictures import Picture, Pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A thumbnail with what is written under it."""

    source: Markup  # a data URI
    path: str
    label: str  # what the model takes it for
    p_value: float
    words: str  # for those who do not see it


def strips(result: AuditResult, pictures: Pictures | None, language: Language) -> list[tuple[str, list[Shown]]]:
    """Return the strips with their titles; none without pictures."""
    if pictures is None:
        return []
    ends = (
        (language.say("Looks most like images that were trained on"), pictures.most),
        (language.say("Looks least like them"), pictures.least),
    )
    return [(title, _strip(result, end, language)) for title, end in ends if end]


def _strip(result: AuditResult, end: Sequence[Picture], language: Language) -> list[Shown]:
    scores, made = result.scores, []
    for rank, picture in enumerate(end, start=1):
        if picture.row < len(scores.path):
            words = language.say("{path}, number {rank}", path=scores.path[picture.row], rank=rank)
            made.append(_shown(picture, scores, result.class_names, words))
    return made


def _shown(picture: Picture, scores: ScoreTable, names: Sequence[str], words: str) -> Shown:
    number = int(scores.predicted[picture.row])
    label = names[number] if 0 <= number < len(names) else ""
    return Shown(
        source=Markup("data:image/webp;base64,") + Markup(base64.b64encode(picture.data).decode("ascii")),
        path=scores.path[picture.row],
        label=label or str(number),
        p_value=float(scores.p_value[picture.row]),
        words=words,
    )
