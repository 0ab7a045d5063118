"""A bound on epsilon: refused unless the draw is declared and fair, and blind to who became a member."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from onnxmint.errors import EvidenceError, UsageError
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, EvidenceTable, divided
from onnxmint.report.evaluation import print_evaluation, privacy_words, render_evaluation
from onnxmint.results.evaluation import PrivacyFacts
from onnxmint.settings import EvaluateSettings
from onnxmint.stats.epsilon import CONDITION, PrivacyBound
from onnxmint.workflows.evaluating import evaluate
from onnxmint.workflows.privacy import require_declared, require_fair
from tests.cli.conftest import Run, call  # noqa: F401 - a fixture
from tests.conftest import DEMO, KNOWN

MODEL = DEMO / "target.onnx"
BOUND = PrivacyBound(epsilon=1.25, delta=1e-5, confidence=0.95, canaries=500, guesses=100, right=84)


def table(members: int, nonmembers: int, groups: np.ndarray | None = None) -> EvidenceTable:
    count = members + nonmembers
    none = np.zeros(count, np.int8)
    return EvidenceTable(
        index=np.arange(count), is_member=np.arange(count) < members, labels=None, groups=groups, part=none, fold=none
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epsilon": True}, "--epsilon is no bound unless every known image became a member by a fair coin of its own"),
        ({"drawn_at_random": True}, "--drawn-at-random is declared for --epsilon"),
        ({"epsilon": True, "drawn_at_random": True, "limit": 100}, "leave --limit out"),
        ({"epsilon": True, "drawn_at_random": True, "group": "video"}, "leave --group out"),
    ],
)
def test_a_bound_without_its_condition_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        require_declared(EvaluateSettings(**changes))


def test_sides_that_no_fair_coins_give_are_refused() -> None:
    with pytest.raises(EvidenceError, match="900 of 1,500 known images are members, which fair coins do not give"):
        require_fair(table(900, 600))
    require_fair(table(780, 720))
    with pytest.raises(EvidenceError, match="--epsilon needs images that are all different"):
        require_fair(table(700, 700, np.arange(1400) // 2))


def test_which_images_are_canaries_does_not_depend_on_who_became_a_member() -> None:
    """The same order of images gives the same parts, whatever the coins; and every part has its share."""
    one, other = table(500, 500), table(480, 520)
    parts = [divided(known, np.random.default_rng(3), blind=True).part for known in (one, other)]
    assert np.array_equal(*parts)
    assert not np.array_equal(parts[0], divided(one, np.random.default_rng(3)).part)
    assert np.isin(parts[0], FIT).mean() == pytest.approx(0.5, abs=0.01)
    assert (parts[0] == CALIBRATE).mean() == pytest.approx((parts[0] == TEST).mean(), abs=0.01)


def test_words_say_the_bound_and_its_condition() -> None:
    text = privacy_words(PrivacyFacts(bound=BOUND, by="views on 26 views", condition=CONDITION))
    assert (
        "for any epsilon below 1.25 (95% confidence): 84 of 100 guesses about 500 images by views on 26 views" in text
    )
    assert text.endswith(CONDITION)
    none = privacy_words(PrivacyFacts(bound=replace(BOUND, epsilon=0.0), by="loss", condition=CONDITION))
    assert none.startswith("No epsilon is refuted: guesses about 500 images by loss")


@pytest.mark.slow
def test_an_evaluation_bounds_epsilon_where_the_draw_is_declared() -> None:
    """The demo's sides are equal by design, not by coins; the numbers are what they would be."""
    settings = EvaluateSettings(
        preprocess="0-1", device="cpu", views=2, modules=("views",), epsilon=True, drawn_at_random=True
    )
    found = evaluate(MODEL, *KNOWN, settings=settings)
    assert found.privacy is not None
    assert found.privacy.bound.canaries == found.evidence.calibrate + found.evidence.test
    assert found.privacy.bound.epsilon < 8
    assert found.privacy.bound.right <= found.privacy.bound.guesses <= found.privacy.bound.canaries
    best = max((one for one in found.methods if one.performance), key=lambda one: one.fit_auc or 0)
    assert found.privacy.by == best.title
    page, console = render_evaluation(found), Console(record=True, width=100, file=None)
    assert "How private training can have been" in page
    print_evaluation(found, console)
    assert "privacy: " in console.export_text()


def test_the_command_line_refuses_what_is_not_declared(call: Run, tmp_path: Path) -> None:  # noqa: F811
    words = ["evaluate", MODEL, "--members", KNOWN[0], "--nonmembers", KNOWN[1], "--preprocess", "0-1"]
    code, _, err = call(*words, "--epsilon", "-o", tmp_path / "e")
    assert code == 2
    assert "declare that with --drawn-at-random" in err
