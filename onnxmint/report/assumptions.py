"""What an answer rests on, and what was looked at: checks counted, the weakest named, assumptions with their checks."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnxmint.report.language import Language, mark
from onnxmint.results.audit import AuditResult
from onnxmint.results.facts import Control

CHECKS: dict[str, str] = {
    "reference": mark("difficulty of the images"),
    "placebo": mark("the same test on a model that knows nothing"),
    "files": mark("file format and size"),
    "pixels": mark("brightness, colours and sharpness"),
    "duplicates": mark("copies"),
    "exchangeability": mark("origin of the questioned images"),
    "labels": mark("labels of the questioned images"),
    "alignment": mark("moved, mirrored or resized copies"),
    "plausibility": mark("preparation of the images"),
}
"""What each control looks at; one that is not here keeps its own name."""
_ASSUMED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        mark(
            "Had the questioned images not been used, they would be images like the known ones that were not used: "
            "same source, same preparation. No test can prove this."
        ),
        ("exchangeability",),
    ),
    (
        mark("The known images are what they are said to be: some were used to train the model, the others were not."),
        (),
    ),
    (
        mark("The two kinds of known images differ in nothing else that the model could react to."),
        ("reference", "placebo", "files", "pixels", "duplicates"),
    ),
    (
        mark("Images were shown to the model as they were during its training, with the right labels if any."),
        ("plausibility", "labels"),
    ),
    (
        mark(
            "For the share: whatever was used of the questioned images was used as the known images were, as often and "
            "in the same form."
        ),
        ("alignment",),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """What the answer takes for granted, and how that was looked at."""

    text: str
    checked: str


def check_name(control: Control, language: Language) -> str:
    """Return what a control looks at, in plain words."""
    return _plain(control.name, language)


def stopping_names(controls: Sequence[Control], language: Language) -> str:
    """Return the controls that stop a verdict when they fail, in plain words."""
    return language.listed([check_name(control, language) for control in controls if control.stops])


def _plain(name: str, language: Language) -> str:
    return language.say(CHECKS[name]) if name in CHECKS else name


def assumptions(result: AuditResult, language: Language) -> list[Assumption]:
    """Return what the answer rests on, as it is numbered in reports."""
    of = {control.name: control for control in result.controls}
    return [
        Assumption(text=language.say(text), checked=_checked([of[name] for name in names if name in of], language))
        for text, names in _ASSUMED
    ]


def _checked(controls: Sequence[Control], language: Language) -> str:
    """Return which controls looked at an assumption, by how they ended."""
    if not any(control.passed is not None for control in controls):
        return language.say("Not checked.") if controls else language.say("Cannot be checked from here.")
    said = []
    for ended, words in (
        (True, mark("Checked and nothing found: {names}.")),
        (False, mark("Checked and failed: {names}.")),
        (None, mark("Could not be looked at: {names}.")),
    ):
        names = [check_name(control, language) for control in controls if control.passed is ended]
        if names:
            said.append(language.say(words, names=language.listed(names)))
    return " ".join(said)


def checks_line(controls: Sequence[Control], language: Language) -> str:
    """Return how many checks passed and, where all did, which is the weakest."""
    run = [control for control in controls if control.passed is not None]
    if not run:
        return language.say("No check for other explanations was run.")
    passed = sum(bool(control.passed) for control in run)
    line = language.several(
        "{passed} of {run} check for other explanations passed",
        "{passed} of {run} checks for other explanations passed",
        len(run),
        passed=language.number(passed),
        run=language.number(len(run)),
    )
    failed = [check_name(control, language) for control in run if not control.passed]
    if failed:
        return language.say("{line}; failed: {names}", line=line, names=language.listed(failed))
    return language.say("{line}; weakest: {weakest}", line=line, weakest=weakest(controls, language))


def weakest(controls: Sequence[Control], language: Language) -> str:
    """Return what the checks, all of which passed, excluded least well."""
    unseen = [check_name(control, language) for control in controls if control.passed is None and control.stops]
    if unseen:
        return language.say("not looked at: {names}", names=language.listed(unseen))
    reference = next((control for control in controls if control.name == "reference"), None)
    if reference is not None and reference.difficulty is not None and reference.difficulty.learned:
        return language.say("small differences in difficulty would not have been noticed")
    widest = max(
        ((control.auc.high, control) for control in controls if control.passed and control.auc is not None),
        key=lambda pair: pair[0],
        default=None,
    )
    if widest is None:
        return language.say("none of them measures a difference")
    high, control = widest
    return language.say(
        "{name}, where a difference up to AUC {auc} would not have been noticed",
        name=check_name(control, language),
        auc=language.decimal(high, 2),
    )


def failed_names(result: AuditResult, language: Language) -> list[str]:
    """Return the failed checks that stopped the verdict, in plain words."""
    return [_plain(name, language) for name in result.verdict.stopped_by]
