"""JSON and TOML of strangers end in a value or in one reason, whatever they hold."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.images.foreign import ForeignError, parse_json, parse_toml, read_content, read_json, read_toml

VALUES = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 200_000, "no readable JSON: it is nested more than 64 levels deep"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "no readable JSON: it is nested more than 64 levels deep"),
        ("[" * 70 + "]" * 70, "no readable JSON: it is nested more than 64 levels deep"),
        ("1" * 5000, "no readable JSON: Exceeds the limit"),
        (b"\xff\xff", "no readable JSON: 'utf-8' codec can't decode"),
        ("{", "no readable JSON: Expecting property name"),
        ('"' + "x" * (17 << 20) + '"', "no readable JSON: it is longer than 16,384 kB"),
    ],
)
def test_json_that_is_none_says_why_in_one_line(text: str | bytes, reason: str) -> None:
    with pytest.raises(ForeignError) as caught:
        parse_json(text)
    assert str(caught.value).startswith(reason)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"a = " + b"[" * 100_000, "no readable TOML: it is nested more than 64"),
        (b"a = 1\na = 2", "no readable TOML: Cannot overwrite a value"),
        (b"a = \xff", "no readable TOML: 'utf-8' codec can't decode"),
        (b"#" * (1 << 19), "no readable TOML: it is longer than 256 kB"),
        (b"a." * 100 + b"b = 1", "no readable TOML: it is nested more than 64"),
    ],
)
def test_toml_that_is_none_says_why_in_one_line(text: bytes, reason: str) -> None:
    with pytest.raises(ForeignError) as caught:
        parse_toml(text)
    assert str(caught.value).startswith(reason)
    assert len(str(caught.value)) < 300


@given(value=VALUES)
def test_json_that_is_one_is_read(value: object) -> None:
    assert parse_json(json.dumps(value)) == value


def test_files_are_read_up_to_a_length_and_only_if_they_are_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_content(tmp_path / "a", 5) == b"12345"
    with pytest.raises(ForeignError, match="is longer than 0 kB"):
        read_content(tmp_path / "a", 4)
    with pytest.raises(ForeignError, match="cannot be read: No such file"):
        read_content(tmp_path / "b", 4)
    with pytest.raises(ForeignError, match="is no regular file"):
        read_content(tmp_path, 4)
    with pytest.raises(ForeignError, match="no readable JSON: it is no regular file"):
        read_json(Path(os.devnull))
    with pytest.raises(ForeignError, match="no readable TOML: it cannot be read"):
        read_toml(tmp_path / "b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.toml")
    with pytest.raises(ForeignError, match="no readable TOML: it is no regular file"):
        read_toml(tmp_path / "m.toml")
