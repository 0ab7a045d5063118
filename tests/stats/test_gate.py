"""The gate knows nothing of the set test: its level holds among the audits that are let pass."""

import numpy as np
import pytest
from scipy.stats import norm

from onnxmint.stats.gate import divided_for_gate, gate_of
from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation
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
        spent, rest = divided_for_gate(known, rng.permutation(200))
        gate = gate_of(spent)
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


def test_every_fold_spends_its_share_and_nothing_is_used_twice() -> None:
    rng, fold = np.random.default_rng(3), np.arange(103) % 5
    known = HeldOut(
        member=rng.normal(size=103),
        nonmember=np.arange(103.0),
        member_fold=fold,
        nonmember_fold=fold,
        inflation=cross_fitting_inflation(5),
        member_stratum=fold,
        nonmember_stratum=fold,
    )
    order = rng.permutation(103)
    spent, rest = divided_for_gate(known, order)
    assert sorted([*spent.nonmember, *rest.nonmember]) == list(range(103))
    assert np.bincount(spent.nonmember_fold).tolist() == pytest.approx([4, 4, 4, 4, 4], abs=1)
    assert spent.nonmember_stratum is not None
    assert spent.nonmember_stratum.tolist() == spent.nonmember_fold.tolist()
    assert len(rest.member) == len(spent.member) == 103
    again = divided_for_gate(known, order)[0]
    assert again.nonmember.tolist() == spent.nonmember.tolist()


def test_one_unit_is_no_gate() -> None:
    assert gate_of(HeldOut.of(np.ones(1), np.zeros(9))) is None
