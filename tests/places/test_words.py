"""What a URI means, and that nothing secret in it is ever shown or stored."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.cli.main import run
from onnxmint.cli.outputs import words_of
from onnxmint.errors import UsageError
from onnxmint.images.selection import parse_location
from onnxmint.places.names import as_given, renamed, standing_for
from onnxmint.places.remote import RemotePath
from onnxmint.places.words import Address, local_path, shown, stored, uri_of, without_secrets
from onnxmint.report.names import visible
from onnxmint.report.shared import last_part
from onnxmint.results.facts import Skipped
from onnxmint.workflows.exposing import layers
from tests.conftest import DEMO
from tests.images.places import message

SECRET = "Zq9vS3cr3t"


@pytest.mark.parametrize(
    ("place", "uri"),
    [
        ("s3://bucket/a.tar", "s3://bucket/a.tar"),
        (Path("s3://bucket/a.tar"), "s3://bucket/a.tar"),
        ("S3://bucket/a", "s3://bucket/a"),
        ("sftp://host/a", "sftp://host/a"),
        ("images/a.png", None),
        ("C:/images", None),
        ("weird:/images", None),
        ("file:///tmp/a", None),
    ],
)
def test_a_uri_is_known_by_its_scheme_even_where_a_path_took_a_slash(place: str | Path, uri: str | None) -> None:
    assert uri_of(place) == uri


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (f"s3://user:{SECRET}@bucket/a?session_token={SECRET}&split=train", "s3://bucket/a?split=train"),
        (f"s3://{SECRET}@bucket/a", "s3://bucket/a"),
        (f"https://host/a.tar?X-Amz-Signature={SECRET}&X-Amz-Credential={SECRET}", "https://host/a.tar"),
        (f"https://{SECRET}@host/a.tar", "https://host/a.tar"),
        (f"hf://datasets/a/b?token={SECRET}", "hf://datasets/a/b"),
        (f"abfs://images:{SECRET}@acc.dfs.core.windows.net/a?sas_token={SECRET}", "abfs://images@acc.dfs.core.windows.net/a"),
        (f"gs://bucket/a?Signature={SECRET}&rows=0:4", "gs://bucket/a?rows=0:4"),
        ("s3://bucket/a.parquet?labels=fine&key=last-dot&keyword=cat", "s3://bucket/a.parquet?labels=fine&key=last-dot&keyword=cat"),
        ("images/?token=1", "images/?token=1"),
    ],
)  # fmt: skip
def test_secrets_are_cut_from_the_words_of_a_place(place: str, words: str) -> None:
    assert shown(place) == words
    assert SECRET not in stored(place)
    assert without_secrets(f"cannot read {place}: why") == f"cannot read {words}: why"
    assert visible(f"Error: {place}") == f"Error: {words}"


@given(
    scheme=st.sampled_from(["s3", "gs", "https", "sftp", "abfs"]),
    name=st.sampled_from(["token", "sig", "secret_key", "X-Amz-Security-Token", "AWSAccessKeyId", "password"]),
    user=st.sampled_from(["", f"user:{SECRET}@", f"{SECRET}:{SECRET}@"]),
)  # fmt: skip
def test_whatever_holds_a_secret_it_is_in_no_word_of_a_place(scheme: str, name: str, user: str) -> None:
    user = user.replace(f"{SECRET}:", "user:")
    uri = f"{scheme}://{user}host/folder/a.tar?{name}={SECRET}"
    chosen = parse_location(uri)
    for text in (shown(uri), stored(uri), chosen.words, str(chosen.path), repr(chosen.path), visible(uri)):
        assert SECRET not in text
    assert SECRET not in str(words_of(Path(uri), {"images": (uri,), "members": uri, "output": Path(uri)}))


def test_what_says_where_a_store_is_stays_in_a_run_and_the_filter_stays_everywhere() -> None:
    place = f"s3://me:{SECRET}@b/a.parquet?region=eu-west-1&endpoint_override=host:9000&split=train"
    assert stored(place) == "s3://b/a.parquet?region=eu-west-1&endpoint_override=host:9000&split=train"
    found = parse_location(place)
    assert found.equals == (("split", "train"),)
    assert isinstance(found.path, RemotePath)
    assert found.path.address.options == (("region", "eu-west-1"), ("endpoint_override", "host:9000"))
    assert found.path.address.user == ("me", SECRET)


def test_a_file_uri_is_a_path_here(tmp_path: Path) -> None:
    assert local_path("file:///a%20b/c.parquet?rows=0:4") == "/a b/c.parquet?rows=0:4"
    assert parse_location(f"file://{tmp_path}").path == tmp_path
    assert local_path("/a/b") == "/a/b"


def test_paths_below_an_address_have_its_words() -> None:
    root = RemotePath(address=Address.of("s3://u:p@bucket/data?region=x"))
    assert str(root / "a" / "b.png") == "s3://bucket/data/a/b.png"
    assert ((root / "a").name, (root / "b.png").suffix) == ("a", ".png")
    assert str(RemotePath(address=Address.of("s3://bucket/data/t.csv")).parent / "x.png") == "s3://bucket/data/x.png"
    assert last_part("s3://bucket/data/a.parquet?split=train") == "a.parquet?split=train"


def test_a_temporary_folder_is_shown_as_what_it_stands_for() -> None:
    with standing_for(Path("/tmp/onnxmint-1-abc"), "s3://bucket/models"):
        assert as_given("/tmp/onnxmint-1-abc/m.onnx is bad") == "s3://bucket/models/m.onnx is bad"
        found = renamed((Skipped(path="/tmp/onnxmint-1-abc/x", reason="r"), {"a": "/tmp/onnxmint-1-abc"}))
    assert found == (Skipped(path="s3://bucket/models/x", reason="r"), {"a": "s3://bucket/models"})
    assert as_given("/tmp/onnxmint-1-abc") == "/tmp/onnxmint-1-abc"


@pytest.mark.parametrize(
    "words",
    [
        ["train", "m.onnx", "--members", "a", "--nonmembers", "b", "-o", f"s3://u:{SECRET}@b/auditor.onnx"],
        ["check", "m.onnx", "a", "-o", f"s3://u:{SECRET}@b/what-fits.toml"],
        ["convert", "run", "--to", "junit", "-o", f"s3://u:{SECRET}@b/junit.xml"],
        ["expose-layer", "m.onnx", "-o", f"s3://u:{SECRET}@b/out.onnx"],
    ],
)
def test_where_a_path_here_is_wanted_a_uri_is_refused_and_no_folder_made_of_it(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    said = capsys.readouterr().err
    assert "takes a path on this machine; copy what is there here, or what is made here there" in said
    assert SECRET not in said
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_given_twice_is_named_without_its_secrets() -> None:
    assert message(UsageError, [f"s3://u:{SECRET}@b/a"] * 2) == "s3://b/a is given twice; name each place once"


def test_a_model_by_a_file_uri_is_that_file() -> None:
    assert layers(f"file://{DEMO}/target.onnx").sha256 == layers(DEMO / "target.onnx").sha256
