"""What would help an audit, most first, in one plain line each; the result's own texts say more, in English."""

from onnxmint.report.language import Language
from onnxmint.results.audit import AuditResult
from onnxmint.results.next_steps import NextStep


def helpful(result: AuditResult, language: Language) -> list[str]:
    """Return what would help, most first; nothing where the audit sees what matters."""
    return [_line(step, language) for step in result.next_steps]


def _line(step: NextStep, language: Language) -> str:
    if step.kind in ("known", "questioned"):
        return _more(step, language)
    lines = {
        "labels": language.say("Sort the known images into one folder for each class."),
        "references": language.say("Give other models of the same task that were not trained on these images."),
        "views": language.say("Show the model more views of each image."),
        "preprocessing": language.say("Find out how images are prepared for this model."),
        "controls": language.say("Bring known images of the same origin and preparation, so that no check fails."),
    }
    return lines[step.kind]


def _more(step: NextStep, language: Language) -> str:
    """Return how many images would help, where that is known."""
    known = step.kind == "known"
    if step.needed is None:
        if known:
            return language.say("Bring more known images of each kind.")
        return language.say("Ask about more images together.")
    numbers = {"needed": language.number(step.needed), "there": language.number(step.there or 0)}
    if known:
        return language.say("Bring about {needed} known images of each kind ({there} were there).", **numbers)
    return language.say("Ask about {needed} images together ({there} were there).", **numbers)
