"""What a reader may write: three paragraphs to copy, in the page and alone in answer.txt, which survives e-mail."""

from pathlib import PurePath

from onnxmint.report.answer import drawn_words, error_rate, first_words, not_meant, second_opinions
from onnxmint.report.assumptions import checks_line, failed_names
from onnxmint.report.helping import helpful
from onnxmint.report.language import Language
from onnxmint.report.names import visible
from onnxmint.report.presentation import Presentation
from onnxmint.report.sentences import reason_of, sentence, verdict_name
from onnxmint.report.subjects import asked_for, false_ones
from onnxmint.results.audit import AuditResult
from onnxmint.results.frames import storable


def paragraphs(result: AuditResult, language: Language) -> tuple[str, str, str]:
    """Return what was examined, what was found, and what that rests on; whole sentences, nothing to fill in."""
    return _examined(result, language), _finding(result, language), _limits(result, language)


def _examined(result: AuditResult, language: Language) -> str:
    asked, evidence = result.questioned, result.evidence
    start = language.several(
        "On {date}, the image classifier “{model}” (SHA-256 {hash}) was examined together with {images} image, to find "
        "out whether it was used to train the model.",
        "On {date}, the image classifier “{model}” (SHA-256 {hash}) was examined together with {images} images, to "
        "find out whether they were used to train the model.",
        asked.images,
        date=language.date(result.created),
        model=visible(_name(result.target.path)),
        hash=result.target.sha256,
        images=language.number(asked.images),
    )
    known = {"members": language.number(evidence.members), "nonmembers": language.number(evidence.nonmembers)}
    if evidence.members:
        compared = language.say(
            "For comparison the model was shown {members} images known to have been used for it and {nonmembers} "
            "images known not to have been used.",
            **known,
        )
    else:
        compared = language.say(
            "For comparison the model was shown {nonmembers} images known not to have been used for it; none were "
            "known to have been used.",
            **known,
        )
    tool = language.say("The examination was made with onnxmint {version}.", version=result.version)
    return first_words([start, drawn_words(result, language), compared, tool])


def _finding(result: AuditResult, language: Language) -> str:
    verdict = result.verdict
    said = [language.say("Result:"), sentence(result, language), *error_rate(result, language)]
    if reason_of(result) == "stopped":
        names = language.listed(failed_names(result, language))
        said.append(language.say("The checks that failed looked at: {names}.", names=names))
    elif verdict.p_value is not None:
        said.append(
            language.say(
                "(Comparison of the images as a set with known images that were not used, one-sided test: p {p}.)",
                p=language.p_value(verdict.p_value),
            )
        )
    said += [*second_opinions(result, language), not_meant(result, language)]
    if result.subjects is not None:
        said += [asked_for(result.subjects, language) or "", false_ones(result.subjects, language)]
    return first_words(said)


def _limits(result: AuditResult, language: Language) -> str:
    return first_words(
        [
            language.say(
                "This holds on the assumption that the images, had they not been used, would be images like the known "
                "ones that were not used: of the same origin and preparation, which no test can prove."
            ),
            checks_line(result.controls, language) + ".",
            _tried(result, language),
            language.say(
                "This is a statistical finding about the images as a whole, not proof about a single picture."
            ),
        ]
    )


def _tried(result: AuditResult, language: Language) -> str:
    """Return how often this was tried, since who tries until something is found will find it."""
    tries = result.tries
    if tries is None or not tries.before or tries.corrected is None:
        return ""
    return language.say(
        "This was examination number {n} of these images with these known images; counting all of them, p {p}.",
        n=language.number(len(tries.before) + 1),
        p=language.p_value(tries.corrected),
    )


def answer_text(result: AuditResult, shown: Presentation) -> str:
    """Return answer.txt: the question, the answer, and the paragraphs, one a line so that they can be copied."""
    language = shown.language
    asked = language.say("Was this model trained on these images?")
    head = [visible(shown.title) if shown.title else "", asked]
    if shown.case:
        head.append(language.say("Case: {case}", case=visible(shown.case)))
    if shown.note:
        head.append(language.say("Note: {note}", note=visible(shown.note)))
    parts = [
        "\n".join(line for line in head if line),
        f"{verdict_name(result.verdict.kind, language).upper()}\n{sentence(result, language)}",
        language.say("What you may write"),
        *paragraphs(result, language),
    ]
    steps = helpful(result, language) if result.verdict.kind == "inconclusive" else []
    if steps:
        numbered = [f"{number}. {step}" for number, step in enumerate(steps, start=1)]
        parts.append("\n".join([language.say("What would help, in this order:"), *numbered]))
    return storable("\n\n".join(parts) + "\n")


def _name(path: str) -> str:
    """Return the last part of a path of either kind of system."""
    return PurePath(path.replace("\\", "/")).name or path
