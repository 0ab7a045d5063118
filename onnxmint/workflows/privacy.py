"""How private training can have been at most, for owners who drew the known members at random from one pool.

The canaries are the held-out known images, guessed by the method that was best on the fit part. Which images are
canaries must not depend on who became a member, so the known images are divided without a look at that.
"""

from collections.abc import Sequence

from onnxmint.errors import EvidenceError, UsageError
from onnxmint.evidence.copies import Copies
from onnxmint.evidence.table import CALIBRATE, TEST, EvidenceTable
from onnxmint.methods.measuring import KnownScores
from onnxmint.methods.ranking import Ranked
from onnxmint.results.evaluation import PrivacyFacts
from onnxmint.settings import EvaluateSettings
from onnxmint.stats.epsilon import CONDITION, audit_privacy

_UNFAIR = 1e-3
"""Chance of so unequal sides under fair coins, below which the draw cannot have been one."""


def require_declared(settings: EvaluateSettings) -> None:
    """Refuse a bound whose condition is not declared, or is broken by the options.

    Raises:
        UsageError: saying what has to be declared, or left out.
    """
    if settings.drawn_at_random and not settings.epsilon:
        raise UsageError("--drawn-at-random is declared for --epsilon: give both, or leave it out")
    if settings.epsilon and not settings.drawn_at_random:
        raise UsageError(
            "--epsilon is no bound unless every known image became a member by a fair coin of its own, thrown before "
            "training: declare that with --drawn-at-random, or leave --epsilon out"
        )
    for word, given in (("--limit", settings.limit), ("--group", settings.group)):
        if settings.epsilon and given is not None:
            raise UsageError(f"--epsilon needs every image that a coin was thrown for, by itself: leave {word} out")


def require_fair(table: EvidenceTable) -> None:
    """Refuse known images of which not about half are members, or that are joined.

    Raises:
        EvidenceError: saying how many there are.
    """
    from scipy.stats import binomtest

    members, known = int(table.is_member.sum()), len(table.is_member)
    if table.groups is not None:
        raise EvidenceError(
            "more than 5% of the known images are copies of others, and a coin of its own cannot have decided each: "
            "--epsilon needs images that are all different"
        )
    if binomtest(members, known).pvalue < _UNFAIR:
        raise EvidenceError(
            f"{members:,} of {known:,} known images are members, which fair coins do not give: --epsilon needs all "
            "images that coins were thrown for, on whichever side they fell"
        )


def privacy_of(
    found: Sequence[Ranked], held: KnownScores, copies: Copies, settings: EvaluateSettings
) -> PrivacyFacts | None:
    """Return the bound by the method that was best on the fit part; None where none was asked for.

    References are no guessers: one that was trained on the members, and does not say so, knows the coins.
    """
    if not settings.epsilon:
        return None
    able = [
        (method, score)
        for method, score in found
        if score is not None and method.fit_auc is not None and method.kind != "reference"
    ]
    method, score = max(able, key=lambda row: row[0].fit_auc or 0.0)
    sides = [score[held.rows(CALIBRATE, TEST, member=member)] for member in (True, False)]
    left_out = copies.on_both_sides + copies.near_copies_of_members + copies.left_out
    condition = CONDITION
    if left_out:
        condition += (
            f" {left_out:,} copies among the known images were left out, which a coin for each does not foresee."
        )
    return PrivacyFacts(
        bound=audit_privacy(sides[0], sides[1], delta=settings.delta), by=method.title, condition=condition
    )
