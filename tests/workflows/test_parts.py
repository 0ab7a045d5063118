"""An audit in parts is the audit of one process, however it was divided; a part that does not belong is refused."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onnxmint.engine.part_file import part_name
from onnxmint.errors import ImagesError, OnnxmintError, UsageError
from onnxmint.mint.auditor import Auditor, load_auditor
from onnxmint.results.audit import AUDIT, NAMED, AuditResult, named_and_counted
from onnxmint.results.facts import Skipped
from onnxmint.results.score_file import write_scores
from onnxmint.settings import AuditSettings
from onnxmint.stats.sampling import bottom, likely
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.dividing import asked_of, plan_work
from onnxmint.workflows.merging import merge_parts
from onnxmint.workflows.parting import PartProgress, audit_part, open_parts
from onnxmint.writing import scratch
from tests.conftest import DEMO, KNOWN, ROOT

MODEL = DEMO / "target.onnx"
FAST = AuditSettings(device="cpu", controls=False)
Make = Callable[..., PartProgress]


def _shards(folder: Path) -> Path:
    """Write two shards: copies of an image in both, a known image, and one that is broken."""
    rows = pq.read_table(DEMO / "questioned.parquet").slice(0, 50).to_pylist()
    known = pq.read_table(KNOWN[0]).slice(0, 1).to_pylist()[0]
    rows[7]["image"] = {"bytes": b"no image", "path": "broken.png"}
    rows[45], rows[30] = rows[3], {**known, "label": rows[30]["label"]}
    folder.mkdir()
    schema = pq.read_schema(DEMO / "questioned.parquet")
    names = {"image": schema.field("image").type, "label": schema.field("label").type}
    for number, some in enumerate((rows[:28], rows[28:])):
        table = pa.table({name: pa.array([row[name] for row in some], kind) for name, kind in names.items()})
        pq.write_table(table, folder / f"shard{number}.parquet", row_group_size=10)
    return folder


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return _shards(tmp_path / "shards")


@pytest.fixture
def make(phi_file: Path, tmp_path: Path) -> Make:
    """Make a share of the parts of some images in a folder of a name."""

    def act(
        images: Path | str,
        number: int = 1,
        of: int = 1,
        *,
        settings: AuditSettings = FAST,
        name: str = "run",
        unit: int = 10,
    ) -> PartProgress:
        folder, part = tmp_path / f"{name}.parts", (number, of)
        return audit_part(MODEL, str(images), phi_file, folder, part=part, settings=settings, unit=unit)

    return act


def _files(result: AuditResult) -> tuple[str, scratch.Content]:
    found = replace(result, created="then")
    return AUDIT.write(found), write_scores(found)


EQUAL = (FAST, (2,)), *((replace(FAST, **how), (1, 2, 7)) for how in ({}, {"sample": 12}, {"per_class": True}))


@pytest.mark.parametrize(
    ("settings", "processes"),
    [EQUAL[0], *(pytest.param(*one, marks=pytest.mark.slow) for one in EQUAL[1:])],
)
def test_however_many_processes_share_an_audit_its_bytes_are_those_of_one(
    shards: Path, phi: Auditor, make: Make, tmp_path: Path, settings: AuditSettings, processes: tuple[int, ...]
) -> None:
    alone = audit(MODEL, str(shards), phi, settings=settings)
    assert any("copy" in one.reason or "known" in one.reason for one in alone.questioned.skipped)
    for of in processes:
        made = [make(shards, number, of, settings=settings, name=f"run{of}") for number in range(of, 0, -1)]
        assert made[-1].missing == 0
        merged = merge_parts(tmp_path / f"run{of}.parts", device="cpu").result
        assert _files(merged) == _files(alone), of


@pytest.mark.slow
def test_columns_on_disk_give_the_bytes_of_columns_in_memory(
    shards: Path, phi: Auditor, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = _files(audit(MODEL, str(shards), phi, settings=FAST))
    make(shards)
    monkeypatch.setattr(scratch, "LARGE", 1)
    result = merge_parts(tmp_path / "run.parts", device="cpu").result
    files = AUDIT.write(replace(result, created="then")), write_scores(replace(result, created="then"))
    assert (files[0], b"".join(scratch.blocks(files[1]))) == alone
    assert isinstance(files[1], scratch.OnDisk)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"sample": 30, "group": "label"}])
def test_with_all_controls_too(how: dict[str, object], phi: Auditor, make: Make, tmp_path: Path) -> None:
    images, settings = f"{DEMO / 'questioned.parquet'}?rows=0:200", AuditSettings(device="cpu", **how)  # type: ignore[arg-type]
    for number in (1, 2, 3):
        make(images, number, 3, settings=settings, unit=40)
    assert _files(merge_parts(tmp_path / "run.parts", device="cpu").result) == _files(
        audit(MODEL, images, phi, settings=settings)
    )


def test_what_is_there_is_not_made_again_and_n_may_differ(shards: Path, make: Make, tmp_path: Path) -> None:
    assert make(shards, 2, 3) == PartProgress(units=2, before=0, every=6, missing=4)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run.parts").glob("part-*")}
    assert make(shards, 1, 1) == PartProgress(units=6, before=2, every=6, missing=0)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert sorted(path.name for path in (tmp_path / "run.parts").iterdir()) == [*map(part_name, range(6)), "work.json"]


def test_missing_damaged_and_foreign_parts_are_named_with_how_to_make_them(
    shards: Path, make: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "run.parts"
    with pytest.raises(OnnxmintError, match=r"run\.parts holds no parts: make them with onnxmint audit MODEL IMAGES"):
        merge_parts(folder)
    for number in (1, 3):
        make(shards, number, 3)
    with pytest.raises(OnnxmintError, match=r"2 of 6 parts are not there \(part-00001.parquet, part-00004.parquet\)\. "
                       r"Make them with .*--auditor .*auditor.onnx \.\.\., and --part 2/3; what is there"):  # fmt: skip
        merge_parts(folder, device="cpu")
    make(shards, 2, 3)
    first, last = folder / part_name(0), folder / part_name(4)
    content = first.read_bytes()
    first.write_bytes(content[:-9])
    with pytest.raises(OnnxmintError, match=r"part-00000.parquet is damaged: .*--part 1/3"):
        merge_parts(folder, device="cpu")
    make(shards, 1, 3, settings=replace(FAST, alpha=0.01), name="other")
    shutil.copy(tmp_path / "other.parts" / part_name(0), first)
    with pytest.raises(OnnxmintError, match=r"part-00000.parquet is of another audit \(work [0-9a-f]{12}\.\.\., this"):
        merge_parts(folder, device="cpu")
    shutil.copy(last, first)
    with pytest.raises(OnnxmintError, match=r"part-00000.parquet holds other images than unit 0"):
        merge_parts(folder, device="cpu")
    assert make(shards, 1, 1) == PartProgress(units=6, before=5, every=6, missing=0)  # only the unfit one is made again
    assert merge_parts(folder, device="cpu").result.questioned.images


def test_parts_of_another_audit_are_not_begun_in_the_same_folder(
    shards: Path, make: Make, tmp_path: Path, phi: Auditor
) -> None:
    make(shards, 1, 2)

    def refused(words: str, **changed: object) -> None:
        with pytest.raises(
            UsageError, match=f"was begun for another audit: {words}.*Go on with what it was begun with"
        ):
            make(**({"images": shards, "number": 2, "of": 2} | changed))  # type: ignore[arg-type]

    refused(r"--alpha is 0\.01, it was 0\.05\.", settings=replace(FAST, alpha=0.01))
    refused(r"--unit is 7, it was 10\.", unit=7)
    table = pq.read_table(shards / "shard1.parquet")
    pq.write_table(table, shards / "shard2.parquet")
    refused(r"shard2.parquet was added\.")
    (shards / "shard2.parquet").unlink()
    pq.write_table(table.slice(0, 10), shards / "shard1.parquet")
    refused(r"shard1.parquet was changed\.")
    (shards / "shard1.parquet").unlink()
    refused(r"shard1.parquet is gone\.")
    with pytest.raises(UsageError, match=r"shard1\.parquet is gone"):
        merge_parts(tmp_path / "run.parts", device="cpu")


def test_another_model_auditor_or_version_is_named(shards: Path, phi_file: Path) -> None:
    from onnxmint.results.work import differences

    ready = open_parts(MODEL, str(shards), load_auditor(phi_file), FAST)
    work = plan_work(ready, FAST, asked=asked_of(MODEL, str(shards), phi_file, FAST), unit=10)
    for change, words in (
        ({"target_sha256": "b" * 64}, "the model is another file (SHA-256 bbbbbbbbbbbb..., was "),
        ({"auditor_sha256": "c" * 64}, "the auditor is another file (SHA-256 cccccccccccc..., was "),
        ({"version": "9"}, "onnxmint is 9, it was "),
        ({"shards": work.shards[::-1]}, "the shards are in another order"),
        ({"units": work.units[:-1]}, "there are 48 images, there were 50"),
        ({"units": (replace(work.units[0], listed="d"), *work.units[1:])}, "names, labels or groups of images are"),
    ):
        other = replace(work, **change)  # type: ignore[arg-type]
        (said,) = differences(work, other)
        assert said.startswith(words)
        assert other.identity != work.identity
    assert replace(work, asked=replace(work.asked, folder="/elsewhere")).identity == work.identity


def test_an_image_that_was_changed_since_its_part_was_made_is_noticed(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    rows = pq.read_table(DEMO / "questioned.parquet").slice(0, 30).to_pylist()
    for number, row in enumerate(rows):
        place = folder / str(row["label"]) / f"{number:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(row["image"]["bytes"])
    make(folder)
    first, second = sorted(folder.glob("*/*.png"))[:2]
    shutil.copy(first, second)
    with pytest.raises(
        ImagesError, match=rf"{second.name} is no longer what it was when its part was made: put it back"
    ):
        merge_parts(tmp_path / "run.parts", device="cpu")


def test_a_merge_elsewhere_says_where_the_parts_were_begun(
    shards: Path, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("shards"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(
        OnnxmintError, match=f"shards, of which .* is not there; they were begun in {tmp_path}: run onnx"
    ):
        merge_parts(tmp_path / "run.parts")


def test_what_only_one_process_can_do_is_refused(shards: Path, make: Make) -> None:
    with pytest.raises(
        UsageError, match="--sequential looks at one lot after the other and stops, which parts side by"
    ):
        make(shards, settings=replace(FAST, sequential=True))
    with pytest.raises(UsageError, match="--time plans the work of one process; leave it out, or take --sample N"):
        make(shards, settings=replace(FAST, time=60.0))
    with pytest.raises(UsageError, match="parts are counted from 1, the last one is 2/2"):
        make(shards, 0, 2)


@pytest.mark.slow
def test_parts_made_on_other_kinds_of_hosts_are_said(shards: Path, make: Make, tmp_path: Path) -> None:
    make(shards)
    path = tmp_path / "run.parts" / part_name(1)
    table = pq.read_table(path)
    facts = {**table.schema.metadata, b"onnxmint.host": b"Other CPU"}
    pq.write_table(table.replace_schema_metadata(facts), path)
    said = merge_parts(tmp_path / "run.parts", device="cpu").result.warnings[-1]
    assert re.match(r"The parts were made on 2 kinds of hosts: .*Other CPU \(CPUExecutionProvider\)", said)


def test_a_part_scores_nearly_surely_what_the_sample_of_the_whole_holds() -> None:
    rng, missed = np.random.default_rng(0), 0
    for seed in range(20):
        digest = rng.integers(0, 2**63, 2000).astype(np.uint64)
        chosen = likely(digest, 100, of=2000, seed=seed)
        missed += int((~chosen[bottom(digest, 100, seed=seed)]).sum())
        assert chosen.sum() < 300
    assert missed == 0


def test_of_very_many_skipped_images_the_first_are_named_and_all_are_counted() -> None:
    skipped = [Skipped(path=f"{row}.png", reason="is broken: " + str(row % 7)) for row in range(NAMED + 30)]
    named, others = named_and_counted([*skipped, Skipped(path="x", reason="is a known member of the evidence")])
    assert named == tuple(skipped[:NAMED])
    assert others == {"is a known member of the evidence": 1, "is broken": 30}
    assert named_and_counted(skipped[:3]) == (tuple(skipped[:3]), {})


@pytest.mark.slow
def test_killed_processes_lose_nothing_and_leave_nothing(phi_file: Path, tmp_path: Path) -> None:
    """A handful; 100 of them stand in tools/fuzz/results/kill_parts.json."""
    words = [
        ROOT / "tools" / "fuzz" / "kill_parts.py",
        phi_file,
        "--kills",
        5,
        "--seed",
        1,
        "--output",
        tmp_path / "kills",
    ]
    done = subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=200)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(json.loads((tmp_path / "kills").read_text())["kills"].values()) >= 5


def test_the_kills_that_are_committed_lost_nothing() -> None:
    found = json.loads((ROOT / "tools" / "fuzz" / "results" / "kill_parts.json").read_text())
    assert sum(found["kills"].values()) >= 100
    assert found["inside_a_write"] >= 30
    for name in ("parts_touched", "parts_broken", "rows_lost", "rows_doubled", "left_over", "results_that_differ"):
        assert found[name] == 0, name
