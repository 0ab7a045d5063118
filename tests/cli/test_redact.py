"""A run that tells no names of images: every byte of every file is searched, and the owner of the key looks them up."""

import base64
import hmac
import io
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from onnxmint.cli.redacted import key_beside
from onnxmint.errors import UsageError
from onnxmint.report.conversions.table import CONVERSIONS
from onnxmint.report.files import run_files
from onnxmint.results.audit import AuditResult
from tests.cli.conftest import Run
from tests.conftest import DEMO
from tests.report.conftest import result  # noqa: F401 - a fixture

PARTS = ("Aorta", "Bauch", "Carotis", "Darm", "Ellbogen", "Femur", "Galle", "Herz", "Iris", "Kiefer")
CLASSES = tuple(f"Befund-{part}-xq" for part in PARTS)
PERSONS = ("Quintana_Vesely", "Odalys Rautio", "Ümit-Żuraw")
WARD = "Station_Wintergrün"
MODEL = DEMO / "target.onnx"


def _pictures(folder: Path, table: str, first: int, count: int, *, persons: bool) -> None:
    rows = pq.read_table(DEMO / f"{table}.parquet").slice(first, count).to_pylist()
    for number, row in enumerate(rows):
        place = folder / CLASSES[row["label"]]
        if persons:
            place /= PERSONS[number % len(PERSONS)]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"Tumor-Befund_{number:03}.png").write_bytes(row["image"]["bytes"])


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Known and questioned pictures in class folders of telling names, some twice, some known, one broken."""
    folder = tmp_path_factory.mktemp("redacted") / WARD
    _pictures(folder / "train", "members", 0, 120, persons=False)
    _pictures(folder / "val", "nonmembers", 0, 120, persons=False)
    asked = folder / "Akten_Müller"
    _pictures(asked, "questioned", 0, 80, persons=True)
    place = asked / CLASSES[0] / PERSONS[0]
    place.mkdir(parents=True, exist_ok=True)
    (place / "Zerstört_Röntgen.png").write_bytes(b"no image")
    (place / "Brief an Krankenkasse.docx").write_bytes(b"no image")
    known = next((folder / "train").rglob("*.png"))
    (place / "Schonmal-gesehen.png").write_bytes(known.read_bytes())
    (folder / "train" / CLASSES[1] / "Kaputt_Bekannt.png").write_bytes(b"no image")
    (folder / "val" / CLASSES[1] / "Doppelt_Bekannt.png").write_bytes(known.read_bytes())
    return folder


def _secrets(ward: Path) -> set[str]:
    """Return every name, every folder, every class: whole, and in parts."""
    found = {WARD, "Akten_Müller", *CLASSES, *PERSONS}
    for path in ward.rglob("*"):
        found |= {path.name, str(path.relative_to(ward))} - {"train", "val"}
    return found | {word.partition("_")[0] for word in PERSONS} | {"Tumor-Befund", "Zerst"}


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file, and what is packed in it: columns of Parquet, base64, JSON in metadata, escapes."""
    for path in folder.rglob("*"):
        content = path.read_bytes()
        yield path.name, content
        for packed in re.findall(rb"[A-Za-z0-9+/]{24,}={0,2}", content):
            yield f"base64 in {path.name}", base64.b64decode(packed[: len(packed) // 4 * 4])
        if path.suffix == ".parquet":
            table = pq.read_table(io.BytesIO(content))
            yield f"columns of {path.name}", repr((table.to_pylist(), table.schema.metadata)).encode()
        text = content.decode("utf-8", "replace")
        if "\\u" in text:
            yield (
                f"escapes in {path.name}",
                re.sub(r"\\u([0-9a-f]{4})", lambda one: chr(int(one[1], 16)), text).encode(),
            )


def _hits(folder: Path, ward: Path) -> list[tuple[str, str]]:
    secrets = _secrets(ward)
    return sorted(
        {
            (name, secret)
            for name, content in _contents(folder)
            for secret in secrets
            for written in {secret.encode(), json.dumps(secret)[1:-1].encode(), secret.encode("utf-16-le")}
            if written in content
        }
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--thumbnails"], "--thumbnails shows the images themselves, and --redact is there to tell nothing of them"),
        (["--paths"], "--paths names the folders above them, and --redact is there to tell nothing of them"),
        (["-o", "s3://bucket/run"], "s3://bucket/run is in a store, where no key is put: choose a folder here with -o"),
        (["--part", "1/2", "-o", "r", "--auditor", "a.onnx"], "--redact belongs to onnxmint merge, which makes the"),
        (["--sealed", "."], "--redact means nothing with --sealed"),
    ],
)
def test_what_tells_of_images_all_the_same_is_refused(call: Run, words: list[str], message: str) -> None:
    code, out, err = call("audit", MODEL, DEMO / "questioned.parquet", "--redact", *words)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    key = key_beside(tmp_path / "run")
    assert key_beside(tmp_path / "run") == key
    (tmp_path / "run.redaction-key").chmod(0o644)
    with pytest.raises(UsageError, match=r"others may read the redaction key .*: chmod 600 it, or remove it"):
        key_beside(tmp_path / "run")


def test_a_look_up_that_cannot_be_is_refused(call: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert "give names of images, or --images SRC to look all of them up" in call("lookup", "run")[2]
    assert "is no finished run" in call("lookup", "run", "a.png")[2]
    assert "is no finished run" in call("redact", "run", "-o", "new")[2]


@pytest.mark.parametrize(
    ("files", "change", "message"),
    [
        ({"auditor": b"onnx"}, ("report.html", b"x"), "is not redacted: report.html has SHA-256"),
        ({}, None, "has no auditor.onnx, by which it could be judged again; run onnxmint audit again"),
    ],
)
def test_a_run_that_cannot_be_redacted_says_why(
    call: Run,
    result: AuditResult,  # noqa: F811 - a fixture
    files: dict[str, bytes],
    change: tuple[str, bytes] | None,
    message: str,
) -> None:
    Path("run").mkdir()
    written = run_files(result, run_settings={}, **files) | dict([change] if change else [])  # type: ignore[arg-type]
    for name, content in written.items():
        Path("run", name).write_bytes(content)
    code, out, err = call("redact", "run", "-o", "new")
    assert (code, out) == (1, "")
    assert message in " ".join(err.split())
    assert not Path("new").exists()


def _words(ward: Path) -> list[object]:
    return [
        "audit", MODEL, ward / "Akten_Müller", "--members", ward / "train", "--nonmembers", ward / "val",
        "--preprocess", "0-1", "--module", "phi", "--device", "cpu", "-q", "-o", "run", "--no-record",
        "--subject", r"^[^/]+/([^/]+)/",
    ]  # fmt: skip


@pytest.mark.slow
def test_no_byte_of_a_redacted_run_tells_a_name_and_its_owner_looks_them_up(call: Run, ward: Path) -> None:
    assert call(*_words(ward))[0] == 0
    told = {secret for _, secret in _hits(Path("run"), ward)}
    assert {WARD, *CLASSES[:3], *PERSONS} - told <= {WARD}  # the search finds what is there
    assert call("redact", "run", "-o", "hidden")[0] == 0
    assert _hits(Path("hidden"), ward) == []
    assert call("verify", "hidden", "--step", "integrity", "--step", "derivation")[0] == 0
    assert "hidden is redacted already; copy it" in call("redact", "hidden", "-o", "new")[2]
    code, out, err = call(*_words(ward), "--redact", "--overwrite")
    assert (code, err) == (0, "")
    for form in CONVERSIONS:
        assert call("convert", "run", "--to", form, "-o", f"run/{form}.converted")[0] == 0
    assert call("report", "run", "--language", "de")[0] == 0
    Path("run/terminal.txt").write_text(out)
    assert _hits(Path("run"), ward) == []
    for made in ("terminal.txt", *(f"{form}.converted" for form in CONVERSIONS)):
        Path("run", made).unlink()
    key = Path("run.redaction-key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    _looked_up(call, ward, key)
    _verified(call, ward, key)


def _looked_up(call: Run, ward: Path, key: Path) -> None:
    """Check that names come back with the key, and by a hash of anybody's."""
    name = next(str(path.relative_to(ward / "Akten_Müller")) for path in (ward / "Akten_Müller").rglob("*_005.png"))
    code, out, err = call("lookup", "run", name, "never-there.png")
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    secret = bytes.fromhex(json.loads(key.read_text())["key"])
    pseudonym = hmac.digest(secret, name.encode(), "sha256").hex()[:32]
    assert first.startswith(f"{pseudonym}  {name}  score ")
    assert second.endswith("never-there.png  not in the run")
    code, out, _ = call("lookup", "run", pseudonym, "--images", ward / "Akten_Müller", "--json")
    assert (code, json.loads(out)["rows"][0]["name"]) == (0, name)
    code, out, _ = call("lookup", "run", "--images", ward / "Akten_Müller")
    assert (code, len(out.splitlines())) == (0, 82)
    assert "Schonmal-gesehen.png  not judged: is a known member of the evidence: nothing to test" in out


def _verified(call: Run, ward: Path, key: Path) -> None:
    """Check that a redacted run follows from its scores, and from the images with the key."""
    steps = ["--step", "integrity", "--step", "derivation"]
    code, out, _ = call("verify", "run", *steps)
    assert (code, "to the last bit" in " ".join(out.split())) == (0, True)
    where = ["--images", ward / "Akten_Müller", "--members", ward / "train", "--nonmembers", ward / "val",
             "--model", MODEL, "-q", "--device", "cpu", "--sample", "20", "--seed", "1"]  # fmt: skip
    code, out, _ = call("verify", "run", *steps, "--step", "inputs", *where)
    assert (code, "(--redaction-key)" in out) == (5, True)
    code, out, err = call("verify", "run", *steps, "--step", "inputs", *where, "--redaction-key", key, "--retrain")
    assert (code, out.count("passed")) == (0, 6), (out, err)
