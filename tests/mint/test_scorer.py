"""The scorer: rows in, the same rows out with what an audit would give them, in whatever process it wakes up."""

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint import AuditSettings, Scorer, audit
from onnxmint.errors import ImagesError, UsageError
from onnxmint.mint.auditor import Auditor
from onnxmint.mint.scorer import COLUMNS
from onnxmint.results.audit import ScoreTable
from tests.conftest import DEMO, ROOT

COUNT = 40
LATER = """
import pickle, sys
scorer, table = pickle.load(open(sys.argv[1], "rb"))
pickle.dump(scorer(table), open(sys.argv[2], "wb"))
print(*sorted({"torch", "scipy", "sklearn", "pandas"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pq.read_table(DEMO / "questioned.parquet").slice(0, COUNT)


@pytest.fixture(scope="module")
def judged(phi: Auditor) -> ScoreTable:
    settings = AuditSettings(device="cpu", controls=False)
    return audit(DEMO / "target.onnx", f"{DEMO}/questioned.parquet?rows=0:{COUNT}", phi, settings=settings).scores


@pytest.fixture(scope="module")
def scorer(phi: Auditor) -> Scorer:
    return Scorer(phi, device="cpu")


def pixels_of(row: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))


@pytest.mark.parametrize("batch", [None, 1, 7])
def test_scores_are_those_of_an_audit_to_the_last_bit(
    phi: Auditor, table: pa.Table, judged: ScoreTable, batch: int | None
) -> None:
    found = Scorer(phi, device="cpu", batch=batch)(table)
    assert found.column_names == ["label", "member", "path", *COLUMNS]
    assert found["error"].null_count == found.num_rows == len(judged.path)
    assert tuple(found["path"].to_pylist()) == judged.path
    for name in ("score", "p_value", "predicted"):
        np.testing.assert_array_equal(found[name].to_numpy(), getattr(judged, name))


def test_pixels_files_and_batches_score_as_tables_do(scorer: Scorer, table: pa.Table, tmp_path: Path) -> None:
    whole, rows = scorer(table), table.to_pylist()[:5]
    labels, files = [row["label"] for row in rows], [tmp_path / f"{number}.png" for number in range(5)]
    for row, file in zip(rows, files, strict=True):
        file.write_bytes(row["image"]["bytes"])
    of_files, pixels = scorer.paths(files, labels), [pixels_of(row) for row in rows]
    assert of_files["path"].to_pylist() == [str(file) for file in files]
    of_table = scorer(pa.table({"path": [str(file) for file in files], "label": labels}))
    batches = list(scorer.batches(table.slice(0, 5).to_batches(max_chunksize=2)))
    stacked = scorer.arrays(np.stack(pixels), np.array(labels))
    for found in (of_files, of_table, pa.Table.from_batches(batches), stacked, scorer.arrays(pixels, labels)):
        for name in COLUMNS:
            assert found[name].to_pylist() == whole[name].to_pylist()[:5]


def test_an_image_that_cannot_be_scored_is_a_row_with_its_reason(scorer: Scorer, table: pa.Table) -> None:
    rows = table.to_pylist()[:6]
    rows[1]["image"]["bytes"] = b"no image"
    rows[2]["image"] = None
    rows[3]["label"] = None
    rows[4]["label"] = 10
    for number, row in enumerate(rows):
        row["id"] = number
    found = scorer(pa.Table.from_pylist(rows, schema=table.schema.append(pa.field("id", pa.int64()))))
    assert found["id"].to_pylist() == list(range(6))
    assert [error is None for error in found["error"].to_pylist()] == [True, False, False, False, False, True]
    said = [error for error in found["error"].to_pylist() if error]
    assert said[1:] == [
        "has no bytes",
        "has no label, which the auditor has to be told",
        "label 10 is none of the target's 10 classes",
    ]
    assert found["score"].null_count == found["p_value"].null_count == found["predicted"].null_count == 4
    whole = scorer(table)
    assert [found["score"][row].as_py() for row in (0, 5)] == [whole["score"][row].as_py() for row in (0, 5)]
    assert scorer.paths(["nowhere.png"], [3])["error"].to_pylist() == ["cannot be read: No such file or directory"]


def test_labels_are_understood_by_number_and_by_name(phi: Auditor, scorer: Scorer, table: pa.Table) -> None:
    assert phi.classes is not None
    labels = table["label"].to_pylist()
    texts = [str(label) for label in labels]
    names = [phi.classes.names[label] for label in labels]
    for given in (texts, names, [float(label) for label in labels]):
        found = scorer(table.set_column(table.column_names.index("label"), "label", pa.array(given)))
        assert found["score"].to_pylist() == scorer(table)["score"].to_pylist()


def test_a_table_of_no_rows_keeps_its_columns(phi: Auditor, scorer: Scorer, table: pa.Table) -> None:
    nothing = scorer(table.slice(0, 0))
    assert nothing.num_rows == 0
    assert nothing.schema.equals(scorer(table).schema)
    assert scorer.arrays([]).column_names == list(COLUMNS)


def test_it_travels_unopened_and_wakes_up_without_what_training_needs(
    phi: Auditor, scorer: Scorer, table: pa.Table, tmp_path: Path
) -> None:
    scorer(table)
    sent = pickle.dumps(scorer)
    assert len(sent) == len(pickle.dumps(Scorer(phi, device="cpu"))) < len(phi.model) + 200_000
    (tmp_path / "sent").write_bytes(pickle.dumps((scorer, table)))
    words = [sys.executable, "-c", LATER, str(tmp_path / "sent"), str(tmp_path / "back")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert pickle.loads((tmp_path / "back").read_bytes()).equals(scorer(table))


def test_what_makes_no_sense_is_refused_in_one_line(phi: Auditor, scorer: Scorer, table: pa.Table) -> None:
    with pytest.raises(UsageError, match=r"^the table has a column 'score' already; drop or rename it$"):
        scorer(table.append_column("score", table["label"]))
    with pytest.raises(ImagesError, match=r"^the table has no image column \(columns: label\)"):
        scorer(table.select(["label"]))
    with pytest.raises(UsageError, match=r"^image 0 is float64 of shape \[8, 8, 3\]; give uint8 pixels from 0 to 255"):
        scorer.arrays(np.zeros((1, 8, 8, 3)), [0])
    with pytest.raises(UsageError, match=r"^1 labels for 2 images; give one for each$"):
        scorer.arrays(np.zeros((2, 8, 8, 3), np.uint8), [0])
    for options in ({"threads": 0}, {"batch": 0}, {"threads": True}):
        with pytest.raises(UsageError, match=r"give a whole number of 1 or more$"):
            Scorer(phi, **options)
