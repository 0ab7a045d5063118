"""What is written is what Python's own TOML reader reads."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.report.toml import to_toml

words = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), words)
values = st.recursive(
    plain, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)), max_leaves=8
)


@given(st.dictionaries(words, values, max_size=5))
def test_any_tree_of_plain_values_comes_back(facts: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(facts)) == facts


def test_none_is_left_out_at_every_depth() -> None:
    facts = {"a": None, "b": {"c": None, "d": 1}, "e": [{"f": None}]}
    assert tomllib.loads(to_toml(facts)) == {"b": {"d": 1}, "e": [{}]}


def test_tuples_become_lists_and_plain_keys_stay_bare() -> None:
    text = to_toml({"size": (224, 224), "onnx-ir": "1.1", "a b": 1})
    assert text == 'size = [224, 224]\nonnx-ir = "1.1"\n"a b" = 1\n'


def test_undecodable_names_are_written_out() -> None:
    assert tomllib.loads(to_toml({"path": "a\udcff.png"})) == {"path": "a\\udcff.png"}


@pytest.mark.parametrize("value", [b"bytes", [None], {1, 2}, 1j])
def test_what_toml_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="TOML cannot hold"):
        to_toml({"value": value})
