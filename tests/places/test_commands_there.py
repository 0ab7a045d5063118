"""Every command that reads a file or a run takes it from a store, or says in one line that it has to be here."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from onnxmint.cli.main import run
from onnxmint.errors import OnnxmintError
from onnxmint.graph.bringing import brought_settings
from onnxmint.images.sources import open_source
from onnxmint.places import calls
from onnxmint.places.fetching import brought_file, brought_run
from onnxmint.settings import EvaluateSettings, TrainSettings
from onnxmint.workflows.auditing import Known
from tests.conftest import DEMO, KNOWN
from tests.places.s3 import BUCKET, SECRET, Store, serving

pytestmark = pytest.mark.slow
NAMES = open_source(DEMO / "questioned.parquet").classes or ()
TOML = 'size = [28, 28]\nresize = "none"\nchannels = "gray"\nscale = 0.00392156862745098\n'
FEW = ["--device", "cpu", "-q"]


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with serving() as store:
        store.put_below(DEMO / "target.onnx", "models/target.onnx")
        store.put("models/target.toml", TOML.encode())
        store.put_below(DEMO / "target.onnx", "others/one.onnx")
        store.put("others/one.members.txt", b"")
        store.put("names.txt", "\n".join(NAMES).encode())
        yield store


@pytest.fixture
def store(server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(calls, "WAITS", (0.01,) * 2)
    monkeypatch.chdir(tmp_path)
    yield server
    server.fault = lambda method, path: None


def uri(store: Store, key: str) -> str:
    return f"s3://tester:{SECRET}@{BUCKET}/{key}?{store.options}"


@pytest.fixture(scope="module")
def finished(phi_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few images."""
    place = tmp_path_factory.mktemp("finished") / "run"
    images = f"{DEMO / 'questioned.parquet'}?rows=0:40"
    words = ["audit", str(DEMO / "target.onnx"), images, "--auditor", str(phi_file), "--no-controls", "--no-record"]
    assert run([*words, *FEW, "-o", str(place)]) == 0
    return place


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Return what a command says; nothing of it is secret."""
    found = run(list(words))
    out, err = capsys.readouterr()
    assert found == code, err
    assert SECRET not in out + err
    return out if code == 0 else err


def test_layers_check_plan_and_train_take_what_they_read_from_a_store(
    store: Store, phi_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = uri(store, "models/target.onnx")
    assert json.loads(said(capsys, "layers", model, "--json"))["classes"] == 10
    more = ["--classes", uri(store, "names.txt"), "--preprocess", uri(store, "models/target.toml")]
    table = f"{DEMO / 'questioned.parquet'}?rows=0:30"
    found = json.loads(said(capsys, "check", model, table, *more, *FEW, "--json"))
    assert found["declared"].endswith("target.toml")
    store.put_below(phi_file, "auditor.onnx")
    here, there = (
        said(capsys, "plan", place, "--share", "0.4", "--json") for place in (str(phi_file), uri(store, "auditor.onnx"))
    )
    assert here == there
    known = ["--members", f"{KNOWN[0]}?rows=0:60", "--nonmembers", f"{KNOWN[1]}?rows=0:60"]
    words = ["train", model, *known, "--module", "phi", "--no-controls", "--preprocess", more[-1], *FEW]
    said(capsys, *words, "-o", "there.onnx")
    assert said(capsys, *words, "-o", uri(store, "a.onnx"), code=2) == (
        f"Error: s3://{BUCKET}/a.onnx: '-o' / '--output' takes a path on this machine; copy what is there here, or "
        "what is made here there, with the store's own tool, such as aws s3 cp --recursive\n"
    )


def test_models_are_compared_wherever_they_are(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    images = ["--members", f"{KNOWN[0]}?rows=0:50", "--nonmembers", f"{KNOWN[1]}?rows=0:50", "--preprocess", "0-1"]
    local = str(DEMO / "target.onnx")
    pairs = (local, local), (uri(store, "models/target.onnx"), uri(store, "others/one.onnx"))
    here, there = (
        json.loads(said(capsys, "compare", *pair, *images, *FEW, "--json", "-o", f"run{number}"))
        for number, pair in enumerate(pairs)
    )
    assert here["sets"] == there["sets"]
    assert there["after"]["target"]["path"] == f"s3://{BUCKET}/others/one.onnx"
    assert not [path for path in Path("run1").iterdir() if SECRET.encode() in path.read_bytes()]


def test_a_run_in_a_store_is_verified_and_converted(
    store: Store, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.put_below(finished, "run")
    there, steps = uri(store, "run"), ["--step", "integrity", "--step", "derivation"]
    assert said(capsys, "convert", there, "--to", "junit") == said(capsys, "convert", str(finished), "--to", "junit")
    found = json.loads(said(capsys, "verify", there, *steps, "--json"))
    assert [step["outcome"] for step in found["steps"]] == ["passed", "passed"]
    assert "onnxmint-" not in json.dumps(found)  # no name of a temporary folder
    store.put("run/notes.txt", b"added")
    assert run(["verify", there, "--step", "integrity"]) == 5
    assert "notes.txt" in capsys.readouterr().out
    assert f"s3://{BUCKET}/nothing holds nothing; give the folder of a run" in said(
        capsys, "verify", uri(store, "nothing"), code=1
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["report"], "its files are made anew together, which no store does in one step: somebody might read half of"),
        (["sign", "--key", "key.pem"], "a run that is signed must not change meanwhile, and nobody can lock one in a"),
    ],
)
def test_what_alters_a_run_says_why_it_has_to_be_here(
    store: Store, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    error = said(capsys, words[0], uri(store, "run"), *words[1:], code=2)
    assert error.startswith(f"Error: s3://{BUCKET}/run: 'RUN' takes a path on this machine ({why}")
    assert error.endswith("with the store's own tool, such as aws s3 cp --recursive\n")
    assert error.count("\n") == 1


def test_files_that_settings_name_are_here_while_they_are_used_and_gone_then(store: Store) -> None:
    folder, one = Path(uri(store, "others")), Path(uri(store, "others/one.onnx"))
    training = TrainSettings(reference=(one,), classes=Path(uri(store, "names.txt")))
    known = Known(members="m", nonmembers="n", training=training)
    with brought_settings(known) as here, brought_settings(EvaluateSettings(reference=folder)) as other:
        (reference,), classes = here.training.reference, here.training.classes
        assert reference.name == "one.onnx"
        assert reference.read_bytes() == (DEMO / "target.onnx").read_bytes()
        assert classes is not None
        assert tuple(classes.read_text().splitlines()) == NAMES
        assert other.reference is not None
        assert sorted(path.name for path in other.reference.iterdir()) == ["one.members.txt", "one.onnx"]
        kept = reference, classes, other.reference
    assert not any(path.exists() for path in kept)
    with brought_settings(known.training.classes) as same:
        assert same is known.training.classes


def test_a_registration_in_a_store_is_kept_to(
    store: Store, phi_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = f"{DEMO / 'questioned.parquet'}?rows=0:20"
    words = [str(DEMO / "target.onnx"), images, "--auditor", str(phi_file), "--no-controls", *FEW]
    said(capsys, "register", *words, "-o", "registration.json")
    store.put_below(tmp_path / "registration.json", "registration.json")
    there = ["--registration", uri(store, "registration.json")]
    found = json.loads(said(capsys, "audit", *words, *there, "-o", "run", "--no-record", "--json"))
    assert found["registration"]["deviations"] == []
    said(capsys, "verify", "run", "--step", "order", *there)


def test_what_cannot_be_fetched_is_one_line(store: Store) -> None:
    with (
        pytest.raises(OnnxmintError, match=rf"^cannot read s3://{BUCKET}/none: .*; give a file$"),
        brought_file(uri(store, "none")),
    ):
        pass
    with (
        pytest.raises(OnnxmintError, match=r"names.txt has 0\.0 GB, and allowed are 0\.0 GB; bring it here yourself"),
        brought_file(uri(store, "names.txt"), most=3),
    ):
        pass
    store.fault = lambda method, path: "403 AccessDenied"
    with (
        pytest.raises(OnnxmintError, match=f"^cannot read s3://{BUCKET}/run: access is denied"),
        brought_run(uri(store, "run")),
    ):
        pass
