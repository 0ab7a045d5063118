"""Charts are well-formed, draw inside their frame, and put every value where it belongs."""

import itertools
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from onnxmint.report.charts import histogram_chart, interval_bar, roc_chart, tells_by_shape
from onnxmint.results.audit import AuditResult, Histogram
from onnxmint.stats.estimates import Estimate, Performance, Rate

LEFT, RIGHT, TOP, BASE = 62, 454, 12, 282


def test_a_histogram_of_one_bar_tells_nothing() -> None:
    spread, one = np.array([3, 4, 3]), np.array([0, 1, 9])
    edges = np.linspace(0, 1, 4)
    assert tells_by_shape(Histogram(edges=edges, member=spread, nonmember=one, questioned=None))
    assert not tells_by_shape(Histogram(edges=edges, member=one, nonmember=one, questioned=None))


def parts(drawing: str, kind: str) -> list[ET.Element]:
    return [node for node in ET.fromstring(drawing).iter() if node.get("class") == kind]


def points(path: ET.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.get("d", ""))]


def performance(members: int = 100, nonmembers: int = 100) -> Performance:
    estimate, rate = Estimate(value=0.1, low=0.05, high=0.2), Rate(value=0.1, low=0.05, high=0.2)
    return Performance(
        auc=Estimate(value=0.8, low=0.7, high=0.9),
        balanced_accuracy=estimate,
        precision=estimate,
        tpr_at_fpr={"0.1": rate, "0.01": rate, "0.001": replace(rate, thin=True)},
        threshold=0.0,
        roc_fpr=np.array([0, 0, 0.01, 0.1, 1]),
        roc_tpr=np.array([0, 0.01, 0.1, 0.1, 1]),
        members=members,
        nonmembers=nonmembers,
    )


def counts(edges: list[float], **columns: list[int]) -> Histogram:
    return Histogram(edges=np.array(edges), **{name: np.array(column, np.int64) for name, column in columns.items()})


def test_roc_rises_in_steps_from_corner_to_corner() -> None:
    curve = points(parts(roc_chart(performance()), "line member")[0])
    assert curve[0] == (LEFT, BASE - (BASE - TOP) / 3)  # TPR 1% at FPR 0.1%
    assert curve[-1] == (RIGHT, TOP)
    assert all(a == c or b == d for (a, b), (c, d) in itertools.pairwise(curve))
    assert all(a <= c and b >= d for (a, b), (c, d) in itertools.pairwise(curve))


def test_chance_is_the_diagonal() -> None:
    assert points(parts(roc_chart(performance()), "chance")[0]) == [(LEFT, BASE), (RIGHT, TOP)]


def test_thin_region_ends_where_ten_false_alarms_begin() -> None:
    shade = parts(roc_chart(performance()), "thin")[0]
    assert float(shade.get("width", "")) == pytest.approx((RIGHT - LEFT) * 2 / 3, abs=0.1)  # 10 of 100 is 10%
    none = parts(roc_chart(performance(members=1, nonmembers=10**6)), "thin")[0]
    assert float(none.get("width", "")) == 0


def test_rates_stand_with_their_intervals_and_thin_ones_are_hollow() -> None:
    drawing = roc_chart(performance())
    assert len(parts(drawing, "whisker")) == 3
    assert (len(parts(drawing, "dot")), len(parts(drawing, "dot hollow"))) == (2, 1)


def test_a_baseline_is_drawn_beside() -> None:
    assert not parts(roc_chart(performance()), "line baseline")
    assert len(parts(roc_chart(performance(), performance()), "line baseline")) == 1


def test_charts_say_in_words_what_they_show(result: AuditResult) -> None:
    for drawing in (roc_chart(result.performance), histogram_chart(result.histogram)):
        root = ET.fromstring(drawing)
        assert root.get("role") == "img"
        assert root.findtext("title")
        assert root.findtext("desc")


def test_histogram_draws_shares_of_each_set() -> None:
    found = counts([0.0, 1.0, 2.0], member=[0, 10], nonmember=[50, 50], questioned=[0, 0])
    drawing = histogram_chart(found, flagged_from=1.5)
    top = TOP + (BASE - TOP) * 0.08 / 1.08
    assert min(y for _, y in points(parts(drawing, "line member")[0])) == pytest.approx(top, abs=0.1)
    half = points(parts(drawing, "line nonmember")[0])[1][1]
    assert BASE - half == pytest.approx((BASE - TOP) / 2 / 1.08, abs=0.1)
    assert {y for _, y in points(parts(drawing, "line questioned")[0])} == {BASE}
    assert points(parts(drawing, "mark")[0]) == [(LEFT + (RIGHT - LEFT) * 0.75, TOP)]
    assert not parts(histogram_chart(found), "mark")


def test_negative_scores_have_a_real_minus() -> None:
    found = counts([-4.0, 0.0, 4.0], member=[1, 1], nonmember=[1, 1], questioned=[1, 1])
    assert "\N{MINUS SIGN}4" in histogram_chart(found)


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-6, 1e6),
    st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), min_size=1, max_size=6),
)
def test_any_histogram_stays_inside_its_frame(low: float, step: float, rows: list[tuple[int, int, int]]) -> None:
    edges = [low + step * k for k in range(len(rows) + 1)]
    assume(all(a < b for a, b in itertools.pairwise(edges)))
    columns = dict(zip(("member", "nonmember", "questioned"), map(list, zip(*rows, strict=True)), strict=True))
    drawing = histogram_chart(counts(edges, **columns), flagged_from=edges[-1])
    inside = [xy for name in ("line member", "line questioned") for part in parts(drawing, name) for xy in points(part)]
    assert all(LEFT - 0.1 <= x <= RIGHT + 0.1 and TOP - 0.1 <= y <= BASE + 0.1 for x, y in inside)
    assert len(ET.fromstring(drawing).findall("text")) <= 20


def test_interval_bar_puts_chance_value_and_ends_in_order() -> None:
    bar = interval_bar(Estimate(value=0.7, low=0.6, high=0.8))
    assert float(parts(bar, "dot")[0].get("cx", "")) == 60
    assert interval_bar(Estimate(value=0.1, low=0.0, high=0.2)).count("M4.0") == 3  # all ends at the left edge


def test_the_order_of_rates_in_a_file_does_not_show() -> None:
    found = performance()
    turned = replace(found, tpr_at_fpr=dict(reversed(found.tpr_at_fpr.items())))
    assert roc_chart(turned) == roc_chart(found)
