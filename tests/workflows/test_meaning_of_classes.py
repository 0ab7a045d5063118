"""A class name means one thing in an audit: folders of some classes are no others; wrong labels conclude nothing."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onnxmint.errors import ImagesError
from onnxmint.mint.auditor import Auditor
from onnxmint.results.audit import AuditResult
from onnxmint.settings import AuditSettings
from onnxmint.workflows.auditing import audit
from tests.conftest import DEMO

MODEL, QUESTIONED = DEMO / "target.onnx", DEMO / "questioned.parquet"
SOME = {"Trouser": 1, "Pullover": 2, "Coat": 4, "Shirt": 6, "Bag": 8, "Ankle boot": 9}


def _members() -> list[dict]:
    """Return the questioned members of some classes."""
    return [row for row in pq.read_table(QUESTIONED).to_pylist() if row["member"] and row["label"] in SOME.values()]


def _folders(root: Path, names: dict[str, int]) -> Path:
    """Write them into folders of their class; of 10 classes there are 6."""
    called = {label: name for name, label in names.items()}
    for number, row in enumerate(_members()):
        folder = root / called[row["label"]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(row["image"]["bytes"])
    return root


def _audited(place: object, auditor: Auditor) -> AuditResult:
    return audit(MODEL, place, auditor, settings=AuditSettings(device="cpu"))  # type: ignore[arg-type]


@pytest.mark.slow
def test_members_in_folders_of_some_classes_are_found_as_they_are_in_a_table(phi: Auditor, tmp_path: Path) -> None:
    rows = [{key: row[key] for key in ("image", "label")} for row in _members()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    in_table, in_folders = _audited(tmp_path / "t.parquet", phi), _audited(_folders(tmp_path / "f", SOME), phi)
    assert in_folders.verdict.kind == in_table.verdict.kind == "members-found"
    assert in_folders.verdict.p_value == pytest.approx(in_table.verdict.p_value)


def test_folders_of_unknown_classes_are_refused_with_the_nearest(phi: Auditor, tmp_path: Path) -> None:
    place = _folders(tmp_path / "f", {"Trousers" if name == "Trouser" else name: SOME[name] for name in SOME})
    with pytest.raises(
        ImagesError, match=r"has the class 'Trousers', which the known classes lack \(closest: 'Trouser'"
    ):
        _audited(place, phi)


def test_labels_that_number_other_classes_conclude_nothing(phi: Auditor, tmp_path: Path) -> None:
    """As 6 of 12 folders that were numbered for themselves: members look like the worst of non-members."""
    order = sorted(SOME.values())
    rows = [{"image": row["image"], "label": order.index(row["label"])} for row in _members()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    verdict = _audited(tmp_path / "t.parquet", phi).verdict
    assert verdict.kind == "inconclusive"
    assert "labels" in verdict.stopped_by
    assert verdict.share_of_members is None or "labels" in verdict.text
