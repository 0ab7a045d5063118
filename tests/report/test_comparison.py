"""A comparison on the terminal, as a page and as files: the same numbers, and no name from outside acts in them."""

import csv
import functools
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.report.comparison import comparison_files, print_comparison, render_comparison, write_comparison
from onnxmint.results.comparison import ComparedScores, ComparedSet, Comparison, ComparisonFacts, ModelFacts
from onnxmint.results.facts import Control
from onnxmint.results.manifest import MANIFEST, file_facts
from onnxmint.stats.change_limits import change_limits_of
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.paired import INTERVAL_METHOD, Side, accuracy_change, changes
from onnxmint.verdict.change import judge_change
from tests.report.conftest import evidence_facts, target_facts
from tests.report.test_html import HOSTILE, Page

FAILED = Control(name="files", passed=False, text="no", stops=True, auc=Estimate(value=0.9, low=0.8, high=1.0))


def _side(shift: tuple[float, float], seed: int, count: int = 120) -> Side:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=count)
    return Side(score=common + 0.4 * rng.normal(size=(2, count)) + np.array(shift)[:, np.newaxis])


@functools.cache
def comparison(after: float = 0.2, limits: tuple[str, ...] = (), controls: tuple[Control, ...] = ()) -> Comparison:
    """Return a comparison of simulated scores: a forget set that stands out less in the second model."""
    rng = np.random.default_rng(0)
    sides = {"forget": _side((1.0, after), 1), "members": _side((1.0, 1.0), 2), "non-members": _side((0, 0), 3)}
    right = accuracy_change(Side(score=np.ones((2, 120))), rng, resamples=20)
    outside = sides["non-members"]
    sets = tuple(
        ComparedSet(
            name=name,  # type: ignore[arg-type]
            images=120,
            changes=(
                *(
                    ()
                    if side is outside
                    else changes(side, outside, sides["members"] if name == "forget" else None, rng, resamples=100)
                ),
                right,
            ),
            alike=0.9,
        )
        for name, side in sides.items()
    )
    model = ModelFacts(target=target_facts(), preprocess=PreprocessSpec(name="0-1"), accuracy=0.9)
    paths = (*HOSTILE, *(f"{k}.png" for k in range(360 - len(HOSTILE))))
    columns = [np.concatenate([side.score[of] for side in sides.values()]) for of in (0, 1)]
    return Comparison(
        version="1.0",
        created="2026-11-25T10:00:00+00:00",
        before=model,
        after=replace(model, target=replace(model.target, path="models/unlearned.onnx")),
        settings=ComparisonFacts(
            signal="phi", title="log-odds of the label", source="LiRA", views=0, seed=0, intervals=INTERVAL_METHOD
        ),
        evidence=evidence_facts(),
        controls=controls,
        verdict=judge_change(sets, controls, change_limits_of(limits)),
        sets=sets,
        scores=ComparedScores(
            path=paths,
            set=tuple(name for name in sides for _ in range(120)),  # type: ignore[misc]
            before=columns[0],
            after=columns[1],
            above_before=np.linspace(0, 1, 360),
            above_after=np.linspace(1, 0, 360),
        ),
        warnings=HOSTILE[:2],
    )


def printed(found: Comparison, width: int = 80) -> str:
    console = Console(width=width, force_terminal=False, no_color=True)
    with console.capture() as captured:
        print_comparison(found, console, files=[Path("run/comparison.html")])
    return captured.get()


@pytest.mark.parametrize(
    ("after", "limits", "controls", "kind", "head", "text"),
    [
        (0.6, (), (), "less", "The second model gives away less: AUC of the forget set -0.", "they still stand out"),
        (2.0, (), (), "more", "The second model gives away more: AUC of the forget set +0.", "they are not forgotten"),
        (1.0, (), (), "no-change-seen", "No change seen: AUC of the forget set ", "may see a change"),
        (-0.9, (), (), "less", "gives away less", "gives away which images were removed"),
        (0.0, ("auc=0",), (), "below", "The change keeps to the limit. ", "by this test"),
        (2.0, ("auc=0", "tpr@10%=0.9"), (), "above", "The change is above the limit. ", "0.5 is chance"),
        (1.0, ("auc=0",), (), "unsettled", "Cannot tell whether the change keeps to the limit. ", "of pairs"),
        (0.0, ("auc=0",), (FAILED,), "unsettled", "Cannot tell whether", "(files failed), so the numbers may"),
    ],
)
def test_what_it_comes_to_is_said_alike_everywhere(
    after: float, limits: tuple[str, ...], controls: tuple[Control, ...], kind: str, head: str, text: str
) -> None:
    found = comparison(after, limits, controls)
    assert found.verdict.kind == kind
    for words in (" ".join(printed(found).split()), Page(render_comparison(found)).text, found._repr_html_()):
        assert head in words
        assert text in words


@pytest.mark.parametrize(
    ("after", "limits", "controls", "text"),
    [
        (0.0, ("auc=0",), (), "Keeps to the limit: auc changes by -0."),
        (2.0, ("auc=0",), (), "Above the limit: auc changes by +0."),
        (1.0, ("auc=0.01",), (), "images of this set, and as many times more held-out ones, would settle it"),
        (0.0, ("tpr@1%=0",), (), "Fewer than 5 false alarms are expected among 120 held-out images: give more"),
        (0.0, ("auc=0",), (FAILED,), "A control failed: files."),
    ],
)
def test_each_limit_is_said_in_a_sentence(
    after: float, limits: tuple[str, ...], controls: tuple[Control, ...], text: str
) -> None:
    (limit,) = comparison(after, limits, controls).verdict.limits
    assert text in limit.text


def test_the_page_has_every_number_and_nothing_acts_in_it() -> None:
    found = comparison()
    page = Page(render_comparison(found))
    for word in ("to be forgotten: 120 images", "trained on by both", "held out", "share that looks like members"):
        assert word in page.text
    assert page.tags["script"] == 0
    assert page.tags["img"] == 0
    assert not page.open
    auc = found.sets[0].change("auc")
    assert auc is not None
    assert f"{auc.difference.value:+.3f}" in page.text


def test_the_terminal_is_no_wider_than_asked_and_nothing_acts_on_it() -> None:
    text = printed(comparison())
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "AUC of the forget set" in text.rstrip()[-90:]


def test_the_files_hold_the_same(tmp_path: Path) -> None:
    found = comparison()
    files = comparison_files(found, {"model": "a"})
    rows = list(csv.DictReader(io.StringIO(files["comparison.csv"].decode())))
    assert len(rows) == sum(len(one.changes) for one in found.sets) == len(found.table())
    auc = found.sets[0].change("auc")
    assert auc is not None
    assert float(rows[0]["difference_low"]) == auc.difference.low
    manifest = MANIFEST.read(files["manifest.json"], "manifest.json")
    assert manifest.kind == "comparison"
    assert manifest.references == (found.after.target.sha256,)
    assert manifest.files == {name: file_facts(files[name]) for name in files if name != "manifest.json"}
    written = write_comparison(found, tmp_path / "run")
    table = pq.read_table(next(path for path in written if path.suffix == ".parquet"))
    assert table.num_rows == 360
    assert table["change"].to_pylist()[0] == 1
    assert json.loads(files["comparison.json"])["schema"] == "onnxmint.comparison/2"
