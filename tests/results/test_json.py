"""What is written comes back equal, and what is not as it was written is refused with its place."""

import copy
import functools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onnxmint.errors import ModelError, OnnxmintError
from onnxmint.mint.auditor import AUDITOR
from onnxmint.results.audit import AUDIT
from onnxmint.results.auditor import AUDITOR_FACTS
from onnxmint.results.check import CHECK
from onnxmint.results.evaluation import EVALUATION
from onnxmint.results.json import LARGEST, Document
from onnxmint.results.manifest import MANIFEST
from onnxmint.results.plan import PLAN
from onnxmint.results.registration import REGISTRATION
from onnxmint.results.verification import VERIFICATION
from tests.results.values import same, values

DOCUMENTS = [AUDIT, AUDITOR, AUDITOR_FACTS, EVALUATION, CHECK, MANIFEST, PLAN, REGISTRATION, VERIFICATION]
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.kind.__name__)
any_value = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def elsewhere(document: Document[Any], value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in document.elsewhere}


def leaves(tree: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, (*place, key))
    elif place[0] != "schema":
        yield place


@functools.cache
def example(document: Document[Any]) -> Any:
    """Return one value of a document, the same at every call."""
    found: list[Any] = []

    @settings(max_examples=5, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(values(document.kind))
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    return max(found, key=lambda value: len(document.write(value)))


@every_document
@pytest.mark.parametrize("packed", [False, True])
@any_value
@given(st.data())
def test_every_value_comes_back_as_it_was(document: Document[Any], packed: bool, data: st.DataObject) -> None:
    value = data.draw(values(document.kind))
    if document is AUDITOR and not packed:
        return  # its tables have two axes, which only packed arrays keep
    text = document.write(value, packed=packed)
    text.encode("ascii")
    again = document.read(text, "file", **elsewhere(document, value))
    assert same(again, value)


@every_document
def test_a_value_of_a_wrong_type_is_refused_with_its_place(document: Document[Any]) -> None:
    value = example(document)
    facts = json.loads(document.write(value, packed=document is AUDITOR))
    places = list(leaves(facts))
    assert len(places) > 5
    for place in places:
        wrong = copy.deepcopy(facts)
        inside = wrong
        for key in place[:-1]:
            inside = inside[key]
        inside[place[-1]] = {"no": 1}
        with pytest.raises(document.error) as caught:
            document.read(json.dumps(wrong), "file", **elsewhere(document, value))
        message = str(caught.value)
        assert message.startswith("file: ")
        assert f" at $.{place[0]}" in message, message
        assert message.endswith(document.mend)
        assert "\n" not in message


@every_document
def test_a_key_too_many_or_too_few_is_refused(document: Document[Any]) -> None:
    value = example(document)
    facts = document.facts(value, packed=document is AUDITOR)
    name = next(key for key in facts if key not in ("schema", *document.elsewhere))
    for wrong in ({**facts, "shcema": 1}, {key: item for key, item in facts.items() if key != name}):
        with pytest.raises(document.error, match=r"unknown key 'shcema' at \$|missing required field|missing key"):
            document.read(json.dumps(wrong), "file", **elsewhere(document, value))


def test_a_key_that_has_a_default_may_not_be_missing() -> None:
    value = example(PLAN)
    facts = json.loads(EVALUATION.write(example(EVALUATION)))
    facts["evidence"].pop("folds")
    with pytest.raises(
        OnnxmintError, match=r"^file: missing key 'folds' at \$\.evidence; run onnxmint evaluate again$"
    ):
        EVALUATION.read(json.dumps(facts), "file", scores=example(EVALUATION).scores)
    assert same(PLAN.read(PLAN.write(value), "file"), value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file: expecting value"),
        ("[1]", "file: expected an object, got list"),
        ("[" * 200_000, "file: is nested too deeply to be read; run onnxmint plan again"),
        ('{"schema": "onnxmint.plan/9", "version": "3.1"}', r"the version that wrote it \(onnxmint 3.1\)"),
        ('{"schema": ["onnxmint.plan/1"]}', r"file has schema \['onnxmint.plan/1'\]"),
        (b"\xff\xfe", "file: "),
        ('{"schema": "onnxmint.plan/1", "auc": NaN}', r"expected a finite number, got nan at \$\.auc"),
        ('{"schema": "onnxmint.plan/1", "auc": 1e999}', r"expected a finite number, got inf at \$\.auc"),
        ('{"schema": "onnxmint.plan/1", "auc": 1' + "0" * 300 + "}", r"at most 64 bits at \$\.auc"),
        ('{"schema": "onnxmint.plan/1", "auc": 1' + "0" * 5000 + "}", "file: "),
    ],
)
def test_what_is_no_such_document_is_refused_in_one_line(text: str | bytes, message: str) -> None:
    with pytest.raises(OnnxmintError, match=message) as caught:
        PLAN.read(text, "file")
    assert "\n" not in str(caught.value)


def test_a_file_of_absurd_size_is_not_parsed() -> None:
    with pytest.raises(OnnxmintError, match="at most 268,435,456 are read"):
        PLAN.read(b" " * (LARGEST + 1), "file")


def test_nan_is_not_written() -> None:
    with pytest.raises(ValueError, match=r"expected a finite number, got nan at \$\.share"):
        PLAN.write(
            PLAN.kind(**{field: getattr(example(PLAN), field) for field in PLAN.kind.__slots__} | {"share": np.nan})
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "int8"}, "expected an array of float32, got int8"),
        ({"shape": [2]}, r"12 bytes are no array of shape \(2,\)"),
        ({"shape": [-3]}, "are no array of shape"),
        ({"data": "AAAA"}, "3 bytes are no array"),
        ({"data": "no base64"}, "in the array"),
        ({"data": "AACAfwAAgH8AAIB/"}, "expected finite numbers in the array"),
        ({"shape": [3, 1]}, "of shape"),
    ],
)
def test_a_packed_array_that_is_not_what_was_declared_is_refused(change: dict[str, Any], message: str) -> None:
    facts = json.loads(AUDITOR.write(example(AUDITOR), packed=True))
    facts["yardstick"]["score"] |= change
    with pytest.raises(ModelError, match=f"{message}.* at \\$.yardstick.*train it again"):
        AUDITOR.read(json.dumps(facts), "file")


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("method.folds", 10**15),
        ("method.views", -1),
        ("evidence.members", -1),
        ("evidence.nonmembers", 10**18),
        ("evidence.accuracy_members", 1e308),
        ("evidence.confidence_nonmembers", -0.5),
        ("gate.auc.value", 5.0),
        ("gate.nonmembers", -3),
    ],
)
def test_a_number_that_nothing_measured_can_have_is_refused_with_its_place(place: str, number: float) -> None:
    facts = json.loads(AUDITOR_FACTS.write(example(AUDITOR_FACTS)))
    facts["gate"] = {"auc": {"value": 0.5, "low": 0.4, "high": 0.6}, "members": 9, "nonmembers": 9}
    AUDITOR_FACTS.read(json.dumps(facts), "file")
    *above, last = place.split(".")
    functools.reduce(lambda tree, key: tree[key], above, facts)[last] = number
    with pytest.raises(ModelError, match=rf"^file: expected .* at \$\.{place}; train it again$"):
        AUDITOR_FACTS.read(json.dumps(facts), "file")
