"""Results as tables for other libraries, and as what a notebook shows."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from onnxmint.errors import OnnxmintError
from onnxmint.results.audit import AuditResult, ScoreTable
from onnxmint.results.evaluation import Evaluation
from onnxmint.results.methods import Method
from tests.report.test_html import HOSTILE, Page

HAS_PANDAS = importlib.util.find_spec("pandas") is not None


def _wide(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation of 400 methods with names of 10,000 letters."""
    method = evaluation.methods[0]
    many = tuple(replace(method, name=str(number), title="\u202e" * 5000 + "x" * 5000) for number in range(400))
    return replace(evaluation, methods=(*evaluation.methods, *many))


def test_an_evaluation_is_an_arrow_table_with_a_row_a_method(evaluation: Evaluation) -> None:
    table = pa.table(evaluation)
    assert table["name"].to_pylist() == [method.name for method in evaluation.methods]
    views = table.to_pylist()[3]
    assert (views["auc"], views["judged"], views["chosen"], views["skipped"]) == (0.66, True, True, None)
    images = pa.table(evaluation.scores)
    assert images["views"].null_count == 1
    assert images["side"].to_pylist() == ["member", "member", "non-member"]


def test_an_audit_is_an_arrow_table_with_a_row_an_image(result: AuditResult) -> None:
    table = pa.table(result)
    assert tuple(table["path"].to_pylist()) == result.scores.path
    np.testing.assert_array_equal(table["p_value"].to_numpy(), result.scores.p_value)
    assert ("label" in table.column_names) == (result.scores.label is not None)


@pytest.mark.skipif(HAS_PANDAS, reason="pandas is installed here")
def test_without_pandas_a_frame_says_what_else_reads_the_result(
    evaluation: Evaluation,
    result: AuditResult,
) -> None:
    for frame in (evaluation.to_frame, evaluation.scores.to_frame, result.to_frame):
        with pytest.raises(OnnxmintError, match=r"needs pandas, which is not installed: pip install pandas, or give"):
            frame()


@pytest.mark.skipif(not HAS_PANDAS, reason="needs pandas, which nothing else here does")
def test_a_frame_holds_the_same(evaluation: Evaluation, result: AuditResult) -> None:
    assert evaluation.to_frame()["auc"].tolist()[3] == 0.66
    assert evaluation.scores.to_frame().shape == (3, 5)
    assert len(result.to_frame()) == len(result.scores.path)


def test_a_notebook_shows_verdict_and_numbers(evaluation: Evaluation, result: AuditResult) -> None:
    text = " ".join(Page(evaluation._repr_html_()).words)
    for shown in ("Leak: AUC 0.660", "views on 26 views (judged)", "0.630 to 0.690", "1 skipped"):
        assert shown in text
    text = " ".join(Page(result._repr_html_()).words)
    assert "Members found" in text
    assert result.scores.path[int(np.argmin(result.scores.p_value))].split("/")[-1] in text


def _of_evaluation(found: Evaluation, name: str) -> Evaluation:
    methods: tuple[Method, ...] = tuple(replace(method, title=name) for method in found.methods)
    return replace(found, methods=methods, verdict=replace(found.verdict, text=name, headline=name))


def _of_audit(found: AuditResult, name: str) -> AuditResult:
    scores: ScoreTable = replace(found.scores, path=(name,) * len(found.scores.path))
    return replace(found, scores=scores, verdict=replace(found.verdict, text=name))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(("kind", "changed"), [("evaluation", _of_evaluation), ("result", _of_audit)])
def test_no_name_acts_in_a_notebook(
    kind: str, changed: Callable[[Any, str], Any], name: str, request: pytest.FixtureRequest
) -> None:
    plain = request.getfixturevalue(kind)
    odd = changed(plain, name)._repr_html_()
    assert Page(odd).tags == Page(plain._repr_html_()).tags
    assert odd.encode("utf-8").isascii() or all(letter.isprintable() for letter in odd)


def test_what_a_notebook_shows_is_small(evaluation: Evaluation, result: AuditResult) -> None:
    assert len(_wide(evaluation)._repr_html_()) < 50_000
    assert len(_of_audit(result, "\u202e" * 100_000)._repr_html_()) < 50_000
    for page in (_wide(evaluation)._repr_html_(), result._repr_html_()):
        assert "<script" not in page
        assert "style" not in page
