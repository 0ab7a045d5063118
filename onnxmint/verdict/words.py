"""The answer in words that a judge can read, with the numbers that it rests on."""

from collections.abc import Sequence

from onnxmint.results.facts import Control
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.guarantee import AUDITORS
from onnxmint.stats.sensitivity import Sensitivity
from onnxmint.stats.set_test import SetTest
from onnxmint.stats.share import CONFIDENCE, questioned_needed
from onnxmint.verdict.findings import Findings, Question

ASSUMPTION = (
    "All of this holds if the questioned images, had they not been trained on, would be images like the known "
    "non-members (same source, same preparation); no test after the fact can prove that (arXiv 2409.19798)."
)
SHARE_ASSUMPTION = (
    "The share, and what would have been found, hold if members among them were trained on as the known members were, "
    "if the known members were drawn at random from all that were, and if labels and files are as good as theirs."
)
NO_REFERENCE = (
    "No model that was not trained on these images was compared, so a mere difference in difficulty between members "
    "and non-members was not excluded."
)
LEARNED_REFERENCE = (
    "Only small classifiers learned from the known images looked for a difference in difficulty between members and "
    "non-members, and they see large ones only; --reference models would see more."
)


def implausible(controls: Sequence[Control]) -> list[str]:
    """Return what has to be mended before any answer means much."""
    failed = [control for control in controls if control.name == "plausibility" and control.passed is False]
    return [f"First of all: {control.text} The rest holds for the images as they were shown." for control in failed]


def assumed(found: Findings) -> list[str]:
    """Return what the answer, and its numbers where there are any, rest on."""
    numbers = found.share is not None or found.detectable is not None
    return [ASSUMPTION, *([SHARE_ASSUMPTION] if numbers else [])]


def unexcluded(controls: Sequence[Control]) -> list[str]:
    """Return what no control could exclude."""
    said, reference = [], next((control for control in controls if control.name == "reference"), None)
    if reference is None or reference.passed is None:
        said.append(NO_REFERENCE)
    elif reference.difficulty is not None and reference.difficulty.learned:
        said.append(LEARNED_REFERENCE)
    missing = [one.name for one in controls if one.stops and one.name != "reference" and one.passed is None]
    if missing:
        said.append(f"Controls that were not run or could not look could exclude nothing: {', '.join(missing)}.")
    return said


def confounded(failed: Sequence[Control], question: Question) -> str:
    """Say that something else than membership explains the scores."""
    reasons = " ".join(control.text for control in failed)
    return (
        f"Scores of the {question.words} cannot be read as membership, because something else can explain them too. "
        f"{reasons} Known non-members of the same origin, difficulty and preparation as the members and the questioned "
        "images would settle it."
    )


def cannot_tell(auc: Estimate, question: Question) -> str:
    """Say that members are not told from non-members at all."""
    return (
        f"On images it had not seen, this audit could not tell members of the training set from non-members "
        f"({measured(auc)}; 0.5 is chance), so it can say nothing about the {question.words}. More evidence may help; "
        "or this model gives its training images away too little. Every other layer, module or seed that is tried with "
        "the same evidence is one more chance to be wrong."
    )


def members(found: Findings, question: Question) -> str:
    """Say that members are among the questioned images."""
    what = "The" if len(question.scores) == 1 else "Some of the"
    share = "" if found.share is None else f" {_share(found.share)}.".replace(" the share", " The share", 1)
    least = (
        f" With {1 - question.alpha:.0%} confidence at least {found.test.at_least:,} of the {question.units} were."
        if found.test.at_least
        else ""
    )
    alone = (
        "single images were not told apart, as no member is known"
        if found.auc is None
        else f"single images can be told apart only as well as {measured(found.auc)}"
    )
    return (
        f"{what} {question.words} {'was' if question.images == 1 else 'were'} in the model's training set: as a set "
        f"they score higher than images that were not trained on ({_tested(found.test, question)}). {_level(question)}"
        f"{share}{least}{_stands(found.sensitivity)} Which ones is another question: {alone}."
    )


def _level(question: Question) -> str:
    """Say how often innocent sets are called members, and by which audits."""
    rate = f"{100 * question.alpha:g} of 100 such sets"
    if question.guarantee == "each":
        return (
            f"Were none of them trained on, an audit would call at most {rate} so; that holds for {AUDITORS:.0%} of "
            "audits made like this one, the others having drawn unlucky known images."
        )
    return (
        f"Were none of them trained on, audits made like this one would call at most {rate} so on average; one that "
        "drew unlucky known images, more."
    )


def _stands(found: Sensitivity | None) -> str:
    """Say how strong a hidden selection the finding stands up to."""
    if found is None:
        return ""
    return (
        " A hidden choice of images could explain this only if images that the model finds easy had been "
        f"{found.preference:.2f} times as likely to be chosen as hard ones, or more."
    )


def labels_decide(found: Findings, question: Question) -> str:
    """Say that only labels make the set look like members."""
    return (
        f"With their labels the {question.words} score higher than images that were not trained on "
        f"({_tested(found.test, question)}), but {_without(found, question)}. Labels that the model itself gave, or "
        "that were chosen because it agrees with them, do that to images that were never trained on. Labels from a "
        "source that did not use the model would settle it."
    )


def labels_hide(found: Findings, question: Question) -> str:
    """Say that labels may hide members."""
    return (
        f"With their labels the {question.words} do not score significantly higher than images that were not trained "
        f"on ({_tested(found.test, question)}), but {_without(found, question)}. Wrong labels do that to images that "
        "were trained on. Right labels, or an audit without labels, would settle it."
    )


def _without(found: Findings, question: Question) -> str:
    opinion = found.opinion
    if opinion is None:
        return "without labels nothing was tested"
    p = f"p {_p(opinion.free.p_value)}"
    if opinion.kind == "only-labelled":
        return f"without labels, by the model's own top class, they do not (p {_p(opinion.free.average)})"
    if opinion.kind == "only-free":
        return f"without labels, by the model's own top class, they do ({p})"
    change = "add more to" if opinion.kind == "labels-raise" else "take more from"
    return f"labels {change} the difference than they do for known members, as scores without labels show"


def sign(found: Findings, question: Question) -> str:
    """Say that there is less than was asked for."""
    share = "" if found.share is None else f"; {_share(found.share)}"
    return (
        f"There is a sign that some of the {question.words} were in the model's training set "
        f"({_tested(found.test, question)}{share}), but not at the level of {question.alpha:g} that was asked for. "
        "More questioned images or more evidence would settle it."
    )


def nothing(found: Findings, share: Estimate, detectable: float, question: Question) -> str:
    """Say that nothing was found where something would have been."""
    return (
        f"There is no sign that any of the {question.words} was in the model's training set: as a set they do not "
        f"score significantly higher than images that were not trained on ({_tested(found.test, question)}). The share "
        f"of members among them is at most {_percent(share.high)} (95% interval); had {_percent(detectable)} or more "
        f"of them been trained on, audits made like this one would have found it in {CONFIDENCE:.0%} of cases, lucky "
        "and unlucky ones together. A smaller share can still be among them unnoticed."
    )


def nobody_known(found: Findings, question: Question) -> str:
    """Say that without known members nothing can be excluded."""
    do = "does" if question.images == 1 else "do"
    return (
        f"The {question.words} {do} not score significantly higher than images that were not trained on "
        f"({_tested(found.test, question)}). No members are known, so nothing is known of how far they would stand "
        "out: that members are among them is not excluded, whatever their share."
    )


def blind(found: Findings, question: Question) -> str:
    """Say that the audit could not have seen what matters, and what would let it."""
    seen = (
        "even if all of them had been trained on, that would have been found in fewer than 95% of cases"
        if found.detectable is None
        else f"only a share of {_percent(found.detectable)} or more would have been found in 95% of cases"
    )
    needed = (
        None
        if found.strength is None
        else questioned_needed(
            found.strength, question.relevant_share, alpha=question.alpha, guarantee=question.guarantee
        )
    )
    mend = (
        f"With about {needed:,} questioned {question.units} a share of {_percent(question.relevant_share)} would be "
        f"found in {CONFIDENCE:.0%} of cases."
        if needed
        else "No number of questioned images would do with this evidence: more known members and non-members are "
        "needed (onnxmint plan says how many)."
    )
    do = "does" if question.images == 1 else "do"
    known = "" if found.auc is None else f" ({measured(found.auc)})"
    return (
        f"The {question.words} {do} not score significantly higher than images that were not trained on "
        f"({_tested(found.test, question)}), but {seen}{known}. {mend}"
    )


def measured(auc: Estimate) -> str:
    """Return the AUC with its interval."""
    return f"AUC {auc.value:.3f}, 95% interval {auc.low:.3f} to {auc.high:.3f}"


def _share(share: Estimate) -> str:
    return (
        f"the share of members is estimated at {_percent(share.value)}, 95% interval {_percent(share.low)} to "
        f"{_percent(share.high)}"
    )


def _tested(test: SetTest, question: Question) -> str:
    like = f" {question.like}" if question.like else ""
    return f"one-sided Mann-Whitney test against held-out non-members{like}, p {_p(test.p_value)}"


def _p(value: float) -> str:
    floor = 1e-4
    return "< 0.0001" if value < floor else f"= {value:.4f}"


def _percent(share: float) -> str:
    tenth = 0.1
    return f"{share:.1%}" if 0 < share < tenth else f"{share:.0%}"
