"""The sentences of a verdict: what was found, what speaks against it, and what would settle it."""

from collections.abc import Sequence

from onnxmint.results.facts import Control
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.sensitivity import sensitivity
from onnxmint.stats.set_test import SetTest
from onnxmint.stats.share import CONFIDENCE, questioned_needed
from onnxmint.verdict.findings import Findings, Question

NOTHING_READ = "No questioned image could be read, so nothing was tested."
ASSUMPTION = (
    "All of this holds if the questioned images, had they not been trained on, would be images like the known "
    "non-members (same source, same preparation); no test after the fact can prove that (arXiv 2409.19798)."
)
SHARE_ASSUMPTION = (
    "The share, and what would have been noticed, hold if the model was trained on members among them as on the known "
    "ones and is as sure of them, if the known members were drawn at random from all that were, and if labels and "
    "files are as good as theirs."
)
NO_REFERENCE = (
    "No model that was not trained on these images was compared, so a mere difference in difficulty between members "
    "and non-members was not excluded."
)
NO_REFERENCE_ALONE = (
    "No model that was not trained on these images was compared (--reference): that the questioned images are merely "
    "easier than the known non-members was excluded only by comparing images that this model is equally sure of."
)
WITHOUT_LABELS = "an auditor trained with --no-labels asks without them"
LEARNED_REFERENCE = (
    "Only small classifiers learned from the known images looked for a difference in difficulty between members and "
    "non-members, and they see large ones only; --reference models would see more."
)


def doubt(found: Findings, question: Question, controls: Sequence[Control]) -> str | None:
    """Return why a finding is none: a second opinion does not share it, or none could be asked."""
    labels = found.opinions.labels
    start = f"The {question.words} score higher than images that were not trained on ({tested(found, question)}), but"
    if labels is not None and labels.kind == "only-labelled":
        return (
            f"{start} not when the model's own top class stands in the place of their labels (p "
            f"{_p(labels.free.average)})"
            ". Labels that the model itself has given would look the same, so their labels have to be checked first; "
            f"{WITHOUT_LABELS}."
        )
    if labels is not None and labels.kind == "labels-raise":
        return (
            f"{start} their labels add more to it than membership does, as labels that the model itself has given "
            f"would: check where they come from; {WITHOUT_LABELS}."
        )
    together = found.opinions.together
    if together is not None and together.average > question.alpha:
        return (
            f"{start} not than all of them, whatever the model's confidence (p {_p(together.average)}). Members that "
            "are harder than the known images would look so, and so would images that were made differently, for "
            "example by resizing. Known non-members like them would settle it."
        )
    if not found.equal and not _referenced(controls):
        return (
            f"{start} easy images do that too, and this module is shown one view of an image, by which the two cannot "
            "be "
            "told apart: --module views, or --reference models that were not trained on them, would settle it."
        )
    return None


def easier(found: Findings, question: Question, together: SetTest) -> str:
    """Say that the set scores higher, but not beside images that the model is equally sure of."""
    return (
        f"The {question.words} score higher than images that were not trained on (p {_p(together.average)}), but not "
        f"significantly more than those of them that the model is equally sure of ({tested(found, question)}). Members "
        "would look so to a model that gives them away by its confidence alone, and so would images that were chosen "
        "because they are clear, or easy. More questioned images, more evidence, or --reference models that were not "
        "trained on them would settle it."
    )


def untold(question: Question) -> str:
    """Say that this audit cannot tell members from non-members."""
    return (
        "On images it had not seen, this audit could not tell members of the training set from non-members (the 95% "
        f"interval of its AUC reaches 0.5, which is chance), so it can say nothing about the {question.words}. More "
        "evidence, another layer or module may help; or this model gives its training images away too little."
    )


def sign(found: Findings, question: Question, share: Estimate) -> str:
    """Say that there is a sign of members, too weak for the level that was asked for."""
    return (
        f"There is a sign that some of the {question.words} were in the model's training set "
        f"({tested(found, question)}; {share_words(share)}), but not at the level of {question.alpha:g} that "
        "was asked for. More questioned images or more evidence would settle it."
    )


def no_sign(found: Findings, question: Question, *, share: Estimate, detectable: float) -> str:
    """Say that there is no sign of members, and which share of them would have been noticed."""
    return (
        f"There is no sign that any of the {question.words} was in the model's training set: as a set they do not "
        f"score significantly higher than images that were not trained on ({tested(found, question)}). The share of "
        f"members among them is at most {percent(share.high)} (95% interval); had {percent(detectable)} "
        f"or more of them been trained on, this audit would have noticed in {CONFIDENCE:.0%} of cases, its own luck "
        "included. A smaller share can still be among them unnoticed."
    )


def _referenced(controls: Sequence[Control]) -> bool:
    """Say whether given models that were not trained on them were shown the questioned images."""
    facts = [one.difficulty for one in controls if one.name == "reference" and one.difficulty is not None]
    return any(not fact.learned and fact.questioned is not None for fact in facts)


def hidden(found: Findings, question: Question, controls: Sequence[Control]) -> str | None:
    """Return how members may be among the images although the test finds none; None where nothing speaks for it."""
    labels = found.opinions.labels
    start = (
        f"The {question.words} do not score higher than images that were not trained on ({tested(found, question)}), "
        "but"
    )
    if labels is not None and labels.kind in ("only-free", "labels-lower"):
        said = "they do" if labels.kind == "only-free" else "they come nearer to it"
        return (
            f"{start} {said} when the model's own top class stands in the place of their labels (p "
            f"{_p(labels.free.p_value)}): wrong labels hide members. Check them; {WITHOUT_LABELS}."
        )
    failed = [control for control in controls if control.hides and control.passed is False]
    return f"{start} members could go unnoticed. {' '.join(one.text for one in failed)}" if failed else None


def at_least(found: Findings) -> int:
    """Return a lower bound on the members: the most careful one of the tests that found them."""
    tests = [found.test]
    tests += [found.opinions.labels.free] if found.opinions.labels is not None else []
    return min(max(test.at_least, 1) for test in tests)


def preference(found: Findings) -> float | None:
    """Return how many times as likely easy images must have been chosen to explain the finding."""
    stands = sensitivity(found.test.effect, found.test.needed)
    return None if stands is None else stands.preference


def found_words(found: Findings, question: Question) -> str:
    """Say that members were found, and what that rests on."""
    units = "of them, near copies counted once," if question.grouped else "of the images"
    what = "The" if len(question.scores) == 1 else "Some of the"
    share = "" if found.share is None else f" {share_words(found.share)}.".replace(" the share", " The share", 1)
    least = f" With {1 - question.alpha:.0%} confidence at least {at_least(found):,} {units} were."
    return (
        f"{what} {question.words} {'was' if question.images == 1 else 'were'} in the model's training set: as a set "
        f"they score higher than images that were not trained on ({tested(found, question)}){_shared(found)}. Were "
        f"none of them trained on, {_rate(question)}.{share}{least}{_stands(found)} Which ones is another question: "
        f"{_alone(found)}."
    )


def _alone(found: Findings) -> str:
    """Return what is known of single images."""
    if found.auc is None:
        return "no member is known, so nothing is known of how well single images can be told apart"
    return "single images can be told apart only as well as the AUC on known images says"


def _shared(found: Findings) -> str:
    """Return which second opinion shares the finding."""
    return "" if found.opinions.labels is None else "; so they do without their labels"


def _rate(question: Question) -> str:
    """Return how often an innocent set would be called members."""
    if question.guarantee == "average":
        return (
            f"a set would be called so in at most {question.alpha:.0%} of audits, on average over auditors: one "
            "auditor "
            "that judges many sets can be wrong more often"
        )
    return f"95 of 100 auditors like this one would call a set so in at most {question.alpha:.0%} of audits each"


def _stands(found: Findings) -> str:
    """Return how strong a hidden choice of images could explain the finding."""
    times = preference(found)
    if times is None:
        return ""
    who = (
        "among images that the model is equally sure of, those that look most like members"
        if found.equal
        else "images that the model finds easy"
    )
    than = "the others" if found.equal else "hard ones"
    return f" To explain it otherwise, {who} would have to have been chosen {times:.1f} times as often as {than}."


def share_words(share: Estimate) -> str:
    """Return the estimated share of members with its interval."""
    return (
        f"the share of members is estimated at {percent(share.value)}, 95% interval {percent(share.low)} to "
        f"{percent(share.high)}"
    )


def confounded(failed: Sequence[Control], question: Question) -> str:
    """Say which controls leave another explanation."""
    reasons = " ".join(control.text for control in failed)
    return (
        f"Scores of the {question.words} cannot be read as membership, because something else can explain them too. "
        f"{reasons} Known non-members of the same origin, difficulty and preparation as the members and the questioned "
        "images would settle it."
    )


def blind(found: Findings, question: Question) -> str:
    """Say that the audit could not have seen what matters, and what would let it."""
    seen = (
        "even if all of them had been trained on, that would have shown in fewer than 95% of cases"
        if found.detectable is None
        else f"only a share of {percent(found.detectable)} or more would have shown in 95% of cases"
    )
    needed = found.strength and questioned_needed(
        found.strength, question.relevant_share, alpha=question.alpha, guarantee=question.guarantee
    )
    units = "groups" if question.grouped else "images"
    mend = (
        f"With about {needed:,} questioned {units} a share of {percent(question.relevant_share)} would be found in "
        f"{CONFIDENCE:.0%} of cases."
        if needed
        else "No number of questioned images would do with this evidence: more known members and non-members are "
        "needed (onnxmint plan says how many)."
    )
    return f"{_no_higher(found, question)}, but {seen}. {mend}"


def nobody_known(found: Findings, question: Question) -> str:
    """Say that without known members nothing can be excluded."""
    return (
        f"{_no_higher(found, question)}. No members are known, so nothing is known of how far they would stand out: "
        "that members are among them is not excluded, whatever their share. Some hundred known members would let an "
        "audit say what it would have noticed."
    )


def _no_higher(found: Findings, question: Question) -> str:
    do = "does" if question.images == 1 else "do"
    return (
        f"The {question.words} {do} not score significantly higher than images that were not trained on "
        f"({tested(found, question)})"
    )


def tested(found: Findings, question: Question) -> str:
    """Name the test and its p-value."""
    like = f" {question.like}" if question.like else ""
    like += f"{' and' if like else ''} that the model is equally sure of" if found.equal else ""
    return f"one-sided Mann-Whitney test against held-out non-members{like}, p {_p(found.test.p_value)}"


def _p(value: float) -> str:
    floor = 1e-4
    return "< 0.0001" if value < floor else f"= {value:.4f}"


def percent(share: float) -> str:
    """Return a share in percent."""
    tenth = 0.1
    return f"{share:.1%}" if 0 < share < tenth else f"{share:.0%}"
