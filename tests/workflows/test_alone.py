"""An audit that knows no members: what it can say, what it says of what it cannot, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.errors import EvidenceError, UsageError
from onnxmint.mint.auditor import Auditor, load_auditor
from onnxmint.mint.modules.gap import Module
from onnxmint.report.files import load_run, write_run
from onnxmint.results.audit import AuditResult
from onnxmint.settings import AuditSettings, TrainSettings
from onnxmint.workflows.auditing import Known, audit
from onnxmint.workflows.planning import plan
from tests.conftest import DEMO, KNOWN
from tests.controls.conftest import templates

MODEL, QUESTIONED = DEMO / "target.onnx", DEMO / "questioned.parquet"
FEW = TrainSettings(preprocess="0-1", device="cpu", views=2, limit=200)
CPU = AuditSettings(device="cpu")


def alone(training: TrainSettings = FEW) -> Known:
    return Known(members=None, nonmembers=KNOWN[1], training=training)


@pytest.fixture(scope="module")
def both(once: Callable[..., Any]) -> tuple[AuditResult, bytes]:
    """An audit without known members, and its auditor's file."""

    def made() -> tuple[AuditResult, bytes]:
        kept: list[Auditor] = []
        found = audit(MODEL, f"{QUESTIONED}?rows=0:60", alone(), settings=CPU, keep=kept.append)
        return found, kept[0].model

    found: tuple[AuditResult, bytes] = once("alone", made)
    return found


@pytest.fixture
def result(both: tuple[AuditResult, bytes]) -> AuditResult:
    return both[0]


def test_what_needs_known_members_is_none_with_its_reason(result: AuditResult) -> None:
    assert result.performance is None
    assert result.baselines == ()
    assert result.unmeasured is not None
    assert "No members are known" in result.unmeasured
    assert (result.scores.likelihood_ratio, result.scores.probability, result.questioned.prior) == (None, None, None)
    assert (result.verdict.share_of_members, result.verdict.detectable_share) == (None, None)
    assert result.statistics.share_of_members == "none, as no members are known"
    assert result.histogram.member.sum() == 0


def test_all_known_nonmembers_measure_the_questioned_images(result: AuditResult) -> None:
    assert (result.evidence.members, result.evidence.nonmembers, result.evidence.test) == (0, 200, 200)
    assert result.method.name == "gap"
    assert result.scores.p_value.min() >= 1 / 201


@pytest.mark.slow
def test_groups_are_units_where_no_members_are_known_too(tmp_path: Path) -> None:
    for name in ("nonmembers", "questioned"):
        table = pq.read_table(DEMO / f"{name}.parquet").slice(0, 240)
        pq.write_table(table.append_column("track", [[f"{name}{row // 3}" for row in range(240)]]), tmp_path / name)
        (tmp_path / name).rename(tmp_path / f"{name}.parquet")
    known = Known(
        members=None, nonmembers=tmp_path / "nonmembers.parquet", training=replace(FEW, limit=None, group="track")
    )
    found = audit(MODEL, tmp_path / "questioned.parquet", known, settings=replace(CPU, group="track"))
    assert found.verdict.units == "groups"
    assert found.verdict.p_value < 0.05


def test_controls_that_can_run_do_and_the_others_say_why_not(result: AuditResult) -> None:
    of = {control.name: control for control in result.controls}
    assert {name for name, one in of.items() if one.passed is None} == {
        "reference", "placebo", "files", "pixels", "alignment",
    } - ({"alignment"} if of["alignment"].passed is not None else set())  # fmt: skip
    assert "no members are known" in of["placebo"].text
    assert "none can be learned from non-members alone" in of["reference"].text
    assert of["exchangeability"].auc is not None


def test_nothing_found_is_never_no_evidence(both: tuple[AuditResult, bytes], tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(both[1])
    settings = AuditSettings(device="cpu", controls=False)
    found = audit(MODEL, f"{QUESTIONED}?member=false&rows=0:60", load_auditor(tmp_path / "a.onnx"), settings=settings)
    assert found.verdict.kind == "inconclusive"
    assert "that members are among them is not excluded, whatever their share" in found.verdict.text


def test_its_auditor_serves_again(both: tuple[AuditResult, bytes], tmp_path: Path) -> None:
    result, model = both
    (tmp_path / "a.onnx").write_bytes(model)
    auditor = load_auditor(tmp_path / "a.onnx")
    again = audit(MODEL, f"{QUESTIONED}?rows=0:60", auditor, settings=CPU)
    assert again.verdict == result.verdict
    with pytest.raises(UsageError, match="this auditor knows no members"):
        plan(auditor)


def test_a_run_comes_back_and_its_page_says_what_is_not_known(result: AuditResult, tmp_path: Path) -> None:
    write_run(result, tmp_path / "run", run_settings={})
    again = load_run(tmp_path / "run")
    assert again.scores.likelihood_ratio is None
    assert again.verdict == result.verdict
    page = (tmp_path / "run" / "report.html").read_text()
    assert (
        "the share is not estimated, nothing is known of what would have been noticed, and no set can be cleared"
        in page
    )
    assert 'data-name="probability"' not in page
    assert "Found, and false alarms allowed" not in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"module": "views"}, "leave out --module views"),
        ({"module": "phi"}, "or take easy images for members; leave out --module phi"),
        ({"folds": 5}, "--folds is for learning from known members"),
        ({"layers": ("relu",)}, "--layer is for learning from known members"),
    ],
)
def test_what_learns_from_known_members_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        audit(MODEL, QUESTIONED, alone(replace(FEW, **changes)), settings=CPU)


def test_a_prior_is_of_no_use(both: tuple[AuditResult, bytes], tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(both[1])
    settings = AuditSettings(device="cpu", prior=0.3, controls=False)
    with pytest.raises(UsageError, match="--prior needs known members"):
        audit(MODEL, f"{QUESTIONED}?rows=0:20", load_auditor(tmp_path / "a.onnx"), settings=settings)


def test_too_few_known_nonmembers_are_refused() -> None:
    known = Known(members=None, nonmembers=f"{KNOWN[1]}?rows=0:30", training=FEW)
    with pytest.raises(EvidenceError, match="30 known non-members are too few to fit, calibrate and test on"):
        audit(MODEL, QUESTIONED, known, settings=CPU)


@given(st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=26), st.floats(-5, 5, width=32))
def test_the_gap_does_not_know_how_sure_the_model_is_of_all_views(odds: list[float], more: float) -> None:
    one = torch.tensor([odds])
    first, second = (Module().forward(values) for values in (one, one + more))
    assert torch.allclose(first, second, atol=1e-3)
    assert abs(float(first)) <= np.sqrt(len(odds))


@pytest.mark.slow
def test_members_are_found_by_all_views_and_innocent_images_are_not() -> None:
    kept: list[Auditor] = []
    training = replace(FEW, views=26, limit=None)
    guilty = audit(MODEL, f"{QUESTIONED}?member=true", alone(training), settings=CPU, keep=kept.append)
    assert guilty.verdict.kind == "members-found"
    assert (guilty.verdict.at_least or 0) > 0
    assert "no member is known, so nothing is known of how well single images can be told apart" in guilty.verdict.text
    truth = np.array(pq.read_table(QUESTIONED, columns=["member"])["member"].to_pylist())
    assert not truth.all()
    assert audit(MODEL, f"{QUESTIONED}?member=false", kept[0], settings=CPU).verdict.kind == "inconclusive"


@pytest.mark.slow
def test_a_given_reference_is_shown_the_questioned_images(tmp_path: Path) -> None:
    known = alone(replace(FEW, reference=(templates(tmp_path / "other.onnx"),)))
    found = audit(MODEL, f"{QUESTIONED}?rows=0:100", known, settings=CPU)
    control = next(one for one in found.controls if one.name == "reference")
    assert control.passed is not None
    assert control.difficulty is not None
    assert (control.difficulty.by, control.difficulty.before, control.difficulty.after) == ("other.onnx", None, None)
    assert control.difficulty.questioned is not None
    assert "No model that was not trained on these images was compared" not in found.verdict.text
