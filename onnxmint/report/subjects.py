"""The answers for single subjects, such as persons, in plain words."""

from dataclasses import dataclass

from onnxmint.report.language import Language
from onnxmint.report.names import visible
from onnxmint.report.sentences import verdict_name
from onnxmint.results.audit import SubjectFacts, SubjectsFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectShown:
    """A subject as the page lists it."""

    facts: SubjectFacts
    answer: str


def subject_rows(subjects: SubjectsFacts | None, language: Language) -> list[SubjectShown]:
    """Return the subjects with the names of their verdicts; nothing where none were asked for."""
    rows = () if subjects is None else subjects.rows
    return [SubjectShown(facts=row, answer=verdict_name(row.kind, language)) for row in rows]


def asked_for(subjects: SubjectsFacts, language: Language) -> str | None:
    """Return the answer for the subject that was asked for, None where none was."""
    if subjects.first is None or not subjects.rows:
        return None
    row = subjects.rows[0]
    shown = {"name": visible(row.name), "images": language.number(row.images)}
    if row.kind == "members-found":
        return language.say(
            "“{name}” alone ({images} images): some were used to train this model, at least {least}.",
            **shown,
            least=language.number(max(row.at_least or 0, 1)),
        )
    if row.kind == "no-evidence":
        return language.say(
            "“{name}” alone ({images} images): no sign that they were used to train this model.", **shown
        )
    return language.say(
        "“{name}” alone ({images} images): we cannot tell whether they were used to train this model.", **shown
    )


def false_ones(subjects: SubjectsFacts, language: Language) -> str:
    """Return how many subjects were found, and how many of them may be false."""
    return language.say(
        "{found} of {all} subjects were found; of these at most {alpha} are expected to be false.",
        found=language.number(subjects.found),
        all=language.number(len(subjects.rows)),
        alpha=language.level(subjects.alpha),
    )
