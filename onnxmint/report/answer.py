"""What stands beside the answer: what it does not mean, how often it is wrong, what share may be shown.

The verdict's own text says the same with all its statistics, in English only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from onnxmint.report.language import Language
from onnxmint.report.sentences import reason_of
from onnxmint.results.audit import AuditResult
from onnxmint.results.facts import OpinionFacts

_EVERYTHING = 0.99  # width of an interval that says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareShown:
    """What is shown of the share of the images that were used; shares of 1.

    Attributes:
        kind: "known" has a value; "at most" and "between" only ends; "unknown" nothing.
        value, low, high: as far as they may be shown.
        words: the same in one line.
        noticed: smallest share that would have been noticed, None where not even all would.
        noticed_words: the same in one line.
    """

    kind: Literal["known", "at most", "between", "unknown"]
    value: float | None = None
    low: float = 0.0
    high: float = 1.0
    words: str
    noticed: float | None
    noticed_words: str


def not_meant(result: AuditResult, language: Language) -> str:
    """Return in one or two sentences what the answer does not mean."""
    reason, share = reason_of(result), result.verdict.share_of_members
    if reason == "found":
        return language.say("It does not say which of them, nor who put them there, nor is it proof about one picture.")
    if reason == "none":
        if share is None:
            return language.say("A smaller share may still have been used.")
        return language.say(
            "A smaller share may still have been used: up to {high} is possible.", high=language.share(share.high)
        )
    if reason in ("doubted", "too weak", "stopped"):
        return language.say("This is not a finding that they were used, and not a finding that they were not.")
    return language.say("It is neither a sign that they were used nor a sign that they were not.")


def error_rate(result: AuditResult, language: Language) -> list[str]:
    """Return how often such an answer is wrong, and of which audits that holds, where it says anything."""
    reason, verdict = reason_of(result), result.verdict
    if reason == "none":
        return [language.say("“Probably” means: in 95 of 100 audits like this one.")]
    if reason != "found":
        return []
    often = language.say(
        "Had none of them been used, an audit like this would still say so at most {times} times in 100.",
        times=language.rounded(100 * result.questioned.alpha),
    )
    if verdict.guarantee == "average":
        holds = language.say(
            "That limit holds on average over choices of known images; with one choice it can be exceeded."
        )
    else:
        holds = language.say("That limit holds for 95 of 100 choices of known images, not only on average.")
    return [often, holds]


def second_opinions(result: AuditResult, language: Language) -> list[str]:
    """Return what the second tests of the set said, and how strong a hidden choice could explain a finding."""
    verdict, reason = result.verdict, reason_of(result)
    if reason not in ("found", "doubted"):
        return []
    said = [_opinion(opinion, result, language) for opinion in verdict.opinions]
    asked = [opinion.name for opinion in verdict.opinions]
    if verdict.preference is not None and reason == "found":
        said.append(_preference(verdict.preference, language, equal="whatever the confidence" in asked))
    return said


def _preference(times: float, language: Language, *, equal: bool) -> str:
    """Say how strong a hidden choice of images could explain a finding, `equal` one within equal confidence."""
    if equal:
        return language.say(
            "To explain this otherwise, of images that the model is equally sure of, those that look most like images "
            "that were used would have to have been chosen {times} times as often as the others.",
            times=language.decimal(times, 1),
        )
    return language.say(
        "To explain this otherwise, images that are easy for the model would have to have been chosen {times} "
        "times as often as hard ones.",
        times=language.decimal(times, 1),
    )


def _opinion(opinion: OpinionFacts, result: AuditResult, language: Language) -> str:
    if opinion.name == "without labels":
        if opinion.finds:
            return language.say("The scores are also high without the labels of the images.")
        return language.say("Without the labels of the images the scores are not high.")
    if not opinion.finds:
        return language.say(
            "The scores are high beside known images of which the model is equally sure, but not beside all of them."
        )
    if (result.verdict.p_value or 0) <= result.questioned.alpha:
        return language.say("The scores are high also beside known images of which the model is equally sure.")
    return language.say(
        "The scores are high beside all known images that were not used, but not beside those of which the model is "
        "equally sure."
    )


def share_shown(result: AuditResult, language: Language) -> ShareShown:
    """Return what may be shown of the share: never a number whose interval says nothing."""
    share, reason = result.verdict.share_of_members, reason_of(result)
    unknown = ShareShown(
        kind="unknown",
        words=language.say("unknown: anything from {none} to {all}", none=language.share(0), all=language.share(1)),
        noticed=result.verdict.detectable_share,
        noticed_words=_noticed_words(result, language),
    )
    useless = (
        share is None or share.high - share.low >= _EVERYTHING or reason in ("stopped", "doubted", "hidden", "blind")
    )
    if share is None or useless:
        return unknown
    low, high, value = (language.share(number) for number in (share.low, share.high, share.value))
    if reason == "found":
        words = language.say("about {value} (95% interval: {low} to {high})", value=value, low=low, high=high)
        return replace(unknown, kind="known", value=share.value, low=share.low, high=share.high, words=words)
    if share.low <= 0:
        return replace(
            unknown, kind="at most", high=share.high, words=language.say("at most {high} (95% confidence)", high=high)
        )
    words = language.say("somewhere between {low} and {high} (95% interval)", low=low, high=high)
    return replace(unknown, kind="between", low=share.low, high=share.high, words=words)


def _noticed_words(result: AuditResult, language: Language) -> str:
    """Return the smallest share that would have been noticed."""
    noticed = result.verdict.detectable_share
    if not result.evidence.members:
        return language.say("What would have been noticed is not known.")
    if noticed is None:
        return language.say("Even if all had been used, this audit could have missed it.")
    return language.say("Smallest share that would have been noticed: {share}", share=language.share(noticed))


def units_words(result: AuditResult, language: Language) -> str:
    """Return how many images were asked about, and what counts once."""
    count = language.several(
        "{n} image", "{n} images", result.questioned.images, n=language.number(result.questioned.images)
    )
    if result.verdict.units == "groups":
        return language.say("{images} (near copies counted once)", images=count)
    return count


def drawn_words(result: AuditResult, language: Language) -> str:
    """Return from how many images those that were judged were drawn; nothing where all were judged."""
    count = result.questioned.drawn_from
    return "" if count is None else language.say("They were drawn at random from {n}.", n=language.number(count))


def flagged_words(result: AuditResult, language: Language) -> str:
    """Return in one line what is known of single images, so that a high probability beside no flag is no riddle."""
    asked, verdict = result.questioned, result.verdict
    if verdict.stopped_by:
        return language.say("A check failed, so nothing may be read from single images.")
    if asked.flagged:
        return language.several(
            "{n} image stands out by itself; of images that do, at most {alpha} are expected to be wrong.",
            "{n} images stand out by themselves; of these at most {alpha} are expected to be wrong.",
            asked.flagged,
            n=language.number(asked.flagged),
            alpha=language.level(asked.alpha),
        )
    if verdict.kind == "members-found":
        return language.say(
            "The set gives itself away, no single image does: a high probability beside an image is no contradiction, "
            "it only takes the share of the whole set for granted."
        )
    return language.say("No single image stands out by itself.")


def cost_words(result: AuditResult, language: Language) -> str:
    """Return what it costs that the limit of false alarms holds for nearly every choice; nothing where that is none."""
    cost = result.verdict.cost
    if cost is None or language.share(cost.each) == language.share(cost.average):
        return ""
    said = language.say(
        "That the limit of false alarms holds for nearly every choice of known images costs power: a set with the "
        "share that matters is found in {each} of audits, and would be in {average} if it held on average only.",
        each=language.share(cost.each),
        average=language.share(cost.average),
    )
    if cost.nonmembers is None:
        return said
    more = language.say(
        "With {n} known images that were not used it would be found as often.", n=language.number(cost.nonmembers)
    )
    return first_words([said, more])


def calibration_words(result: AuditResult, language: Language) -> str:
    """Return how probabilities held on known images, by the surest of them; nothing where that was not measured."""
    found = result.calibration
    if found is None:
        return ""
    numbers = {name: language.share(getattr(found.seen[-1], name)) for name in ("value", "low", "high")}
    numbers |= {"said": language.share(found.said[-1]), "n": language.number(found.images[-1])}
    if found.too_sure:
        return language.say(
            "Such probabilities were too high on known images: of the {n} surest {said} should have been trained "
            "on, and {value} were ({low} to {high}).",
            **numbers,
        )
    return language.say(
        "On known images such probabilities held: of the {n} surest {said} should have been trained on, and {value} "
        "were ({low} to {high}).",
        **numbers,
    )


def first_words(sentences: Sequence[str]) -> str:
    """Return sentences as one paragraph."""
    return " ".join(one for one in sentences if one)
