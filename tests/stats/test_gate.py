"""The gate knows nothing of the set test: its level holds among the audits that are let pass."""

import numpy as np
import pytest
from scipy.stats import norm

from onnxmint.stats.gate import gate_of, spent_on_gate
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.set_test import compare_sets


def draw(rng: np.random.Generator, auc: float, count: int) -> HeldOut:
    return HeldOut.of(rng.normal(np.sqrt(2) * norm.ppf(auc), 1, count), rng.normal(0, 1, count))


def test_the_level_holds_among_audits_that_pass() -> None:
    """With the gate on the yardstick itself 13 to 20% of innocent sets were called members among them."""
    rng, shared, apart, passed = np.random.default_rng(0), [], [], 0
    for _ in range(1500):
        known, fit = draw(rng, 0.53, 100), draw(rng, 0.53, 100)
        found = compare_sets(rng.normal(size=300), known, alpha=0.05, guarantee="average").p_value <= 0.05
        gates = gate_of(known), gate_of(fit)
        assert gates[0] is not None
        assert gates[1] is not None
        passed += gates[1].is_open
        if gates[0].is_open:
            shared.append(found)
        if gates[1].is_open:
            apart.append(found)
    assert passed > 100
    assert np.mean(apart) < 0.09
    assert np.mean(shared) > 0.12


def test_it_holds_for_evidence_that_is_divided_too() -> None:
    rng, found = np.random.default_rng(1), []
    for _ in range(1500):
        known = draw(rng, 0.53, 200)
        spent = spent_on_gate(rng.permutation(200))
        gate = gate_of(HeldOut.of(known.member, known.nonmember[spent]))
        rest = HeldOut.of(known.member, known.nonmember[~spent])
        if gate is not None and gate.is_open:
            test = compare_sets(rng.normal(size=300), rest, alpha=0.05, guarantee="average")
            found.append(test.p_value <= 0.05)
    assert len(found) > 80
    assert np.mean(found) < 0.09


@pytest.mark.parametrize(("auc", "low", "high"), [(0.5, 0.0, 0.06), (0.65, 0.95, 1.0)])
def test_it_opens_where_there_is_something_to_tell(auc: float, low: float, high: float) -> None:
    rng = np.random.default_rng(2)
    found = [gate_of(draw(rng, auc, 200)) for _ in range(300)]
    assert low <= np.mean([gate is not None and gate.is_open for gate in found]) <= high


def test_one_unit_in_five_is_spent_and_groups_are_never_divided() -> None:
    order = np.random.default_rng(3).permutation(103)
    assert spent_on_gate(order).sum() == 21
    assert (spent_on_gate(order) == (order % 5 == 0)).all()
    groups = np.repeat(np.array([7, 3, 9, 90, 12, 40]), [1, 2, 3, 1, 2, 3])
    assert set(groups[spent_on_gate(groups)]) == {3, 90}
    assert not set(groups[spent_on_gate(groups)]) & set(groups[~spent_on_gate(groups)])


def test_one_unit_is_no_gate() -> None:
    assert gate_of(HeldOut.of(np.ones(1), np.zeros(9))) is None
