"""The panel: every control is a row, in one order; what was not run says why."""

from dataclasses import replace

import numpy as np
import pytest

from onnxmint.controls.panel import PANEL, control_evidence, control_question
from onnxmint.controls.seen import Difficulty, Seen
from onnxmint.stats.two_sample import LEVEL
from tests.controls.conftest import asked, seen, twin
from tests.known import known, noise, scored

RNG = np.random.default_rng
ORDER = tuple(row.name for row in PANEL)
OF_EVIDENCE = ("reference", "placebo", "files", "pixels", "duplicates", "plausibility")
OFF = "Not run: switched off with --no-controls."


@pytest.fixture(scope="module")
def all_seen() -> Seen:
    evidence = known()
    easy = Difficulty(score=noise(evidence, seed=2), fold=np.zeros(400, np.int8), words="other.onnx", learned=False)
    placebo = twin(evidence, noise(evidence, seed=3))
    return seen(evidence, target=scored(evidence, noise(evidence, 1.0)), twin=placebo, difficulty=easy)


def test_every_row_judges_something_and_has_a_name_of_its_own() -> None:
    assert len(set(ORDER)) == len(ORDER)
    for row in PANEL:
        assert row.of_evidence is not None or row.of_question is not None


def test_clean_evidence_passes_every_control(all_seen: Seen) -> None:
    found = control_evidence(all_seen, RNG(0), wanted=True)
    assert tuple(control.name for control in found) == OF_EVIDENCE
    assert all(control.passed for control in found)
    rng = RNG(1)
    given = asked(all_seen.evidence, (rng.normal(size=(100, 3)), rng.normal(size=(200, 3))))
    after = control_question(found, given, RNG(0), wanted=True)
    assert tuple(control.name for control in after) == ORDER
    assert {control.name for control in after if control.passed} >= {*OF_EVIDENCE, "exchangeability"}
    assert not [control.name for control in after if control.passed is False]
    stops = {row.name: (row.stops, row.hides) for row in PANEL}
    assert {control.name: (control.stops, control.hides) for control in after} == stops


def test_controls_that_are_switched_off_are_rows_that_say_so(all_seen: Seen) -> None:
    without = replace(all_seen, twin=None, difficulty=None)
    found = control_evidence(without, RNG(0), wanted=False)
    off = {control.name for control in found if control.text == OFF}
    assert off == {"reference", "placebo", "files", "pixels"}
    assert {control.name for control in found if control.passed} == {"duplicates", "plausibility"}
    nothing = asked(all_seen.evidence, (np.zeros((100, 3)), np.empty((0, 0))))
    after = {control.name: control for control in control_question(found, nothing, RNG(0), wanted=False)}
    assert tuple(after) == ORDER
    assert (after["exchangeability"].passed, after["exchangeability"].text) == (None, OFF)


def test_without_a_module_what_compares_with_it_is_left_out(all_seen: Seen) -> None:
    found = control_evidence(replace(all_seen, target=None), RNG(0), wanted=True)
    assert [control.name for control in found] == ["files", "pixels", "duplicates", "plausibility"]


def test_controls_that_stop_a_verdict_flag_clean_evidence_once_in_twenty_audits_at_most() -> None:
    assert sum(LEVEL for row in PANEL if row.stops) <= 0.05
