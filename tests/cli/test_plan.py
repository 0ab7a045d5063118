"""onnxmint plan, and the options of audit that change what is said of single images."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Run
from tests.conftest import DEMO

MODEL = str(DEMO / "target.onnx")


def test_an_expected_auc_is_planned_for(call: Run) -> None:
    code, out, err = call("plan", "--auc", "0.66", "--share", "0.2")
    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "To find a share of 20% at all: about" in out


def test_more_images_find_smaller_shares(call: Run) -> None:
    plan = json.loads(call("plan", "--auc", "0.7", "--json")[1])
    assert plan["schema"] == "onnxmint.plan/1"
    for row in plan["detectable_share"]:
        known = [1.0 if share is None else share for share in row]
        assert known == sorted(known, reverse=True)
    needed = [count for count in plan["questioned_needed"] if count is not None]
    assert needed == sorted(needed, reverse=True)
    assert plan["evidence_needed"] > 10


def test_an_auditor_is_planned_for_by_what_it_measured(call: Run, phi_file: Path) -> None:
    plan = json.loads(call("plan", phi_file, "--share", "0.3", "--json")[1])
    assert plan["auc"] == pytest.approx(0.64, abs=0.06)
    assert plan["evidence"][0] in range(480, 501)


def test_an_auc_of_almost_chance_cannot_be_planned_for_everything(call: Run) -> None:
    out = call("plan", "--auc", "0.5001", "--share", "0.01")[1]
    assert "No evidence suffices to find a share of 1% at this AUC." in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either an auditor (from onnxmint train) or the --auc to expect"),
        (["--auc", "0.4"], "0.4 is not in the range 0.5<x<1"),
        (["nothing.onnx"], "cannot read the auditor nothing.onnx"),
    ],
)
def test_wrong_words_give_one_line(call: Run, words: list[str], message: str) -> None:
    code, out, err = call("plan", *words)
    assert code in (1, 2)
    assert out == ""
    assert message in " ".join(err.split())


def audited(call: Run, phi_file: Path, *words: object) -> tuple[dict, dict]:
    given = ["audit", MODEL, DEMO / "questioned.parquet", "--auditor", phi_file, "--no-controls", "-o", "run"]
    code, out, err = call(*given, "--overwrite", "--json", "-q", *words)
    assert (code, err) == (0, "")
    return json.loads(out), pq.read_table("run/scores.parquet").to_pydict()


def test_a_prior_moves_probabilities_and_not_ratios(call: Run, phi_file: Path) -> None:
    report, low = audited(call, phi_file, "--prior", "0.1")
    assert report["questioned"]["prior"] == 0.1
    _, high = audited(call, phi_file, "--prior", "0.9")
    assert low["likelihood_ratio"] == high["likelihood_ratio"]
    assert all(a < b for a, b in zip(low["probability"], high["probability"], strict=True))
    report, _ = audited(call, phi_file)
    assert report["questioned"]["prior"] == pytest.approx(report["verdict"]["share_of_members"]["value"])
    assert report["statistics"]["prior"] == "the estimated share of members"


def test_within_classes(call: Run, phi_file: Path, tmp_path: Path) -> None:
    """About fifty held-out non-members of each class are too few for p-values of images, and enough for the set."""
    pq.write_table(pq.read_table(DEMO / "questioned.parquet").slice(0, 60), tmp_path / "asked.parquet")
    words = ["audit", MODEL, tmp_path / "asked.parquet", "--auditor", phi_file, "--json", "-q", "--no-controls"]
    within, across = (json.loads(call(*words, *more)[1]) for more in (("--per-class", "-o", "one"), ("-o", "two")))
    assert "of the same class" in within["statistics"]["p_values"]
    assert "held-out non-members of the same class" in within["verdict"]["text"]
    assert within["verdict"]["p_value"] != across["verdict"]["p_value"]
    p_values = [pq.read_table(f"{name}/scores.parquet")["p_value"].to_pylist() for name in ("one", "two")]
    assert set(p_values[0]) == {1.0}
    assert len(set(p_values[1])) > 10


def test_smoothed_p_values_are_no_larger(call: Run, phi_file: Path) -> None:
    report, smoothed = audited(call, phi_file, "--p-values", "smoothed")
    assert "smoothed at ties" in report["statistics"]["p_values"]
    _, plain = audited(call, phi_file)
    assert all(a <= b for a, b in zip(smoothed["p_value"], plain["p_value"], strict=True))


def test_storey_is_no_stricter(call: Run, phi_file: Path) -> None:
    report, storey = audited(call, phi_file, "--fdr", "storey")
    assert report["statistics"]["false_discovery"] == "Storey"
    _, plain = audited(call, phi_file)
    pairs = zip(storey["q_value"], plain["q_value"], plain["p_value"], strict=True)
    assert all(a <= b or p > 0.5 for a, b, p in pairs)


@pytest.mark.slow
def test_a_share_that_could_not_be_seen_is_inconclusive_and_says_what_would_do(
    call: Run, phi_file: Path, tmp_path: Path
) -> None:
    member = pq.read_table(DEMO / "questioned.parquet")["member"].to_numpy(zero_copy_only=False)
    pq.write_table(pq.read_table(DEMO / "questioned.parquet").filter(~member), tmp_path / "innocent.parquet")
    words = ["audit", MODEL, tmp_path / "innocent.parquet", "--auditor", phi_file, "--json", "-q"]
    strict = json.loads(call(*words, "--relevant-share", "0.01", "-o", "strict")[1])["verdict"]
    assert strict["kind"] == "inconclusive"
    assert "a share of 1.0% would be found" in strict["text"] or "more known members" in strict["text"]
    lenient = json.loads(call(*words, "--relevant-share", "1", "-o", "lenient")[1])["verdict"]
    assert lenient["kind"] == "no-evidence"
    assert "The share of members among them is at most" in lenient["text"]
    assert lenient["detectable_share"] < 1
