"""The answer in one sentence of at most 25 words, for each reason that a verdict can have."""

from typing import Literal

from onnxmint.report.language import Language, mark
from onnxmint.results.audit import AuditResult, Verdict, VerdictKind

Reason = Literal[
    "found", "none", "nothing read", "stopped", "doubted", "too weak", "nobody known", "hidden", "blind", "part seen"
]
NAMES: dict[VerdictKind, str] = {
    "members-found": mark("Members found"),
    "no-evidence": mark("No evidence"),
    "inconclusive": mark("Inconclusive"),
}
_CANNOT_TELL: dict[Reason, tuple[str, str]] = {
    "stopped": (
        mark("We cannot tell whether this image was used to train this model: something else could explain its score."),
        mark(
            "We cannot tell whether these {images} images were used to train this model: something else could explain "
            "their scores."
        ),
    ),
    "doubted": (
        mark("We cannot tell whether this image was used to train this model: its score is high, but not surely so."),
        mark(
            "We cannot tell whether these {images} images were used to train this model: their scores are high, but "
            "another explanation remains."
        ),
    ),
    "too weak": (
        mark("We cannot tell whether this image was used to train this model: there is a sign, but a weak one."),
        mark(
            "We cannot tell whether these {images} images were used to train this model: there is a sign, but a weak "
            "one."
        ),
    ),
    "nobody known": (
        mark("We cannot tell whether this image was used to train this model: no sign was found; it proves nothing."),
        mark(
            "We cannot tell whether these {images} images were used to train this model: no sign was found, which "
            "here proves nothing."
        ),
    ),
    "hidden": (
        mark("We cannot tell whether this image was used to train this model: a changed copy could have been missed."),
        mark(
            "We cannot tell whether these {images} images were used to train this model: changed copies could have "
            "been missed."
        ),
    ),
    "blind": (
        mark("We cannot tell whether this image was used to train this model: this audit could have missed it."),
        mark(
            "We cannot tell whether these {images} images were used to train this model: even if all were, this audit "
            "could have missed it."
        ),
    ),
    "part seen": (
        mark("We cannot tell whether this image was used to train this model: this audit could have missed it."),
        mark(
            "We cannot tell whether these {images} images were used to train this model: only a share of {detectable} "
            "or more would have shown."
        ),
    ),
}
_NONE = (
    mark("There is no sign that this image was used to train this model."),
    mark(
        "No sign that these {images} images were used to train this model; a share of {detectable} or more would "
        "probably have been noticed."
    ),
)


def reason_of(result: AuditResult) -> Reason:
    """Return why the verdict is what it is."""
    verdict, share = result.verdict, result.verdict.share_of_members
    reasons: tuple[tuple[Reason, bool], ...] = (
        ("found", verdict.kind == "members-found"),
        ("none", verdict.kind == "no-evidence"),
        ("nothing read", verdict.p_value is None),
        ("stopped", bool(verdict.stopped_by)),
        ("doubted", _stands_out(result) and _told_apart(result)),
        ("too weak", share is not None and share.low > 0),
        ("nobody known", not result.evidence.members),
        ("hidden", any(control.hides and control.passed is False for control in result.controls)),
        ("blind", verdict.detectable_share is None),
        ("part seen", True),
    )
    return next(reason for reason, holds in reasons if holds)


def _stands_out(result: AuditResult) -> bool:
    """Say whether the images stand out, if only beside some of the known ones."""
    verdict, alpha = result.verdict, result.questioned.alpha
    found = any(one.finds for one in verdict.opinions if one.name == "whatever the confidence")
    return found or (verdict.p_value or 0) <= alpha


def _told_apart(result: AuditResult) -> bool:
    """Say whether an inconclusive finding is so for another reason than that nothing can be told apart."""
    return result.verdict.share_of_members is not None or not result.evidence.members


def verdict_name(kind: VerdictKind, language: Language) -> str:
    """Return the one name that a verdict has in terminal, page and text."""
    return language.say(NAMES[kind])


def sentence(result: AuditResult, language: Language) -> str:
    """Return the answer in one sentence of at most 25 words."""
    reason, count = reason_of(result), result.questioned.images
    if reason == "nothing read":
        return language.say("No image could be read, so nothing was tested.")
    if reason == "found":
        return _found(result.verdict, count, language)
    noticed = result.verdict.detectable_share
    shown = {"images": language.number(count), "detectable": "" if noticed is None else language.share(noticed)}
    if reason == "none":
        return language.say(_NONE[count != 1], **shown)
    return language.say(_CANNOT_TELL[reason][count != 1], **shown)


def _found(verdict: Verdict, count: int, language: Language) -> str:
    share, least = verdict.share_of_members, verdict.at_least
    if count == 1:
        return language.say("This image was used to train this model.")
    shown = {"images": language.number(count), "least": language.number(least or 0)}
    if share is None and least:
        return language.say(
            "Some of these {images} images were used to train this model: at least {least}, how many more is not "
            "known.",
            **shown,
        )
    if share is None:
        return language.say(
            "Some of these {images} images were used to train this model; how many is not known.", **shown
        )
    shown |= {name: language.share(getattr(share, name)) for name in ("value", "low", "high")}
    if not least:
        return language.say(
            "Some of these {images} images were used to train this model: probably about {value} ({low} to {high}).",
            **shown,
        )
    if verdict.units == "groups":
        return language.say(
            "Some of these {images} images were used to train this model: at least {least} (near copies counted once), "
            "probably about {value} ({low} to {high}).",
            **shown,
        )
    return language.say(
        "Some of these {images} images were used to train this model: at least {least}, probably about {value} ({low} "
        "to {high}).",
        **shown,
    )
