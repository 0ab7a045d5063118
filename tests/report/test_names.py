"""Names from outside are shown whole, and do nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.report.names import visible
from onnxmint.results.frames import storable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("photo 1.jpg", "photo 1.jpg"),
        ("Grüße/画像.png", "Grüße/画像.png"),
        ("\x1b[31mred.png", "\\x1b[31mred.png"),
        ("a\nb.png", "a\\nb.png"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("a\u200bb", "a\\u200bb"),
        ("a\x9bb", "a\\x9bb"),
        ("a\udcffb", "a\\udcffb"),
    ],
)
def test_what_would_hide_or_act_is_written_out(name: str, shown: str) -> None:
    assert visible(name) == shown


@given(st.text())
def test_any_name_becomes_encodable_and_stays_on_one_line(name: str) -> None:
    shown = visible(name)
    shown.encode()
    assert len(shown.splitlines()) <= 1


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_stored_names_change_only_where_nothing_can_hold_them(name: str) -> None:
    assert storable(name) == name
    assert storable(name + "\udc80") == name + "\\udc80"
