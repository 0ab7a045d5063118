"""Known images gathered: looked at without a model, copies settled, divided; what cannot be opened keeps its row."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from onnxmint.errors import EvidenceError, ImagesError
from onnxmint.evidence.copies import Copies
from onnxmint.evidence.gathering import gather, open_evidence, with_others
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import SHARES, TEST
from onnxmint.images.classes import in_order
from onnxmint.images.facts import look_at
from onnxmint.images.passed import PassedOver
from onnxmint.images.pillow import _readable_formats
from onnxmint.images.sources import open_source
from onnxmint.progress import quiet
from onnxmint.settings import EvidenceSettings
from tests.conftest import DEMO
from tests.sources import InMemory, pictures

HEIC = b"\0\0\0\x18ftypheic" + bytes(40)


def _gathered(
    members: InMemory, others: InMemory, *, classes: int | None = 10, limit: int | None = None, folds: int | None = None
) -> tuple[Evidence, Copies]:
    settings, rng = EvidenceSettings(limit=limit), np.random.default_rng(0)
    return gather((members, others), classes, settings, rng=rng, stage=quiet, folds=folds)


def _source(count: int, *, seed: int, location: str, labels: list[int] | None = None) -> InMemory:
    return InMemory(pictures(count, seed=seed), labels=labels or [row % 10 for row in range(count)], location=location)


def test_every_image_is_a_row_with_its_looks_in_a_part() -> None:
    evidence, copies = _gathered(_source(60, seed=1, location="in"), _source(50, seed=2, location="out"))
    assert (copies.known, len(evidence.table.index)) == (110, 110)
    assert evidence.table.is_member.tolist() == [True] * 60 + [False] * 50
    assert np.isfinite(evidence.facts.file[:, 0]).all()
    assert np.isfinite(evidence.facts.pixel[:, 0]).all()
    np.testing.assert_array_equal(evidence.facts.index, evidence.table.index)
    assert set(evidence.table.part.tolist()) == set(range(len(SHARES)))
    assert evidence.paths()[59:61] == ["in/59", "out/0"]


def test_folds_test_everything() -> None:
    sides = (_source(60, seed=1, location="in"), _source(60, seed=2, location="out"))
    table = _gathered(*sides, folds=4)[0].table
    assert set(table.part.tolist()) == {TEST}
    assert np.bincount(table.fold).tolist() == [30] * 4


def test_a_limit_draws_from_both_sides() -> None:
    sides = (_source(60, seed=1, location="in"), _source(70, seed=2, location="out"))
    table = _gathered(*sides, limit=45)[0].table
    assert (table.is_member.sum(), (~table.is_member).sum()) == (45, 45)
    assert table.index.max() > 45


def test_images_that_a_limit_leaves_out_and_copies_are_known_all_the_same() -> None:
    members, others = _source(60, seed=1, location="in"), _source(70, seed=2, location="out")
    members.encoded[59] = others.encoded[0]  # on both sides
    every = look_at(members, wanted=set(range(60)), stage=quiet, name="").digest.tolist()
    for limit in (None, 45):
        evidence = with_others(_gathered(members, others, limit=limit)[0], (members, others), quiet)
        digest = np.concatenate([evidence.facts.digest, evidence.others.looks.digest])
        is_member = np.concatenate([evidence.table.is_member, evidence.others.is_member])
        assert set(every) == set(digest[is_member].tolist())
        assert len(digest) == 130
    alone = _gathered(_source(60, seed=3, location="in"), others)[0]
    assert with_others(alone, alone.sources, quiet) is alone


def test_very_many_images_that_are_not_used_are_not_decoded_but_counted() -> None:
    members, others = _source(60, seed=1, location="in"), _source(80, seed=2, location="out")
    evidence = _gathered(members, others, limit=45)[0]
    bounded = with_others(evidence, (members, others), quiet, most=20)
    assert bounded.others.unseen == 35
    assert bounded.others.is_member.tolist() == [True] * 15
    assert with_others(evidence, (members, others), quiet, most=10).others.unseen == 50


def test_a_known_image_without_a_label_is_known_all_the_same(tmp_path: Path) -> None:
    for side, seed in (("in", 1), ("out", 2)):
        for number, data in enumerate(pictures(60, seed=seed)):
            folder = tmp_path / side / str(number % 3)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.png").write_bytes(data)
    (tmp_path / "in" / "lone.png").write_bytes(pictures(1, seed=3)[0])
    known = open_evidence(tmp_path / "in", tmp_path / "out", EvidenceSettings())
    settings, rng = EvidenceSettings(), np.random.default_rng(0)
    evidence = with_others(gather(known.sources, 3, settings, rng=rng, stage=quiet)[0], known.whole, quiet)
    assert evidence.table.labels is not None
    assert len(evidence.table.index) == 120
    lone = open_source(tmp_path / "in" / "lone.png")
    assert evidence.others.looks.digest.tolist() == look_at(lone, wanted={0}, stage=quiet, name="").digest.tolist()
    assert evidence.others.is_member.tolist() == [True]


def test_an_image_that_cannot_be_decoded_keeps_its_row_and_is_a_copy_of_nothing() -> None:
    members = _source(60, seed=1, location="in")
    members.encoded[7], members.encoded[9] = b"nothing", b"nothing"
    evidence, copies = _gathered(members, _source(60, seed=2, location="out"))
    assert (copies.known, copies.left_out, len(evidence.table.index)) == (120, 0, 120)
    assert np.flatnonzero(~np.isfinite(evidence.facts.file[:, 0])).tolist() == [7, 9]
    assert np.flatnonzero(evidence.facts.place < 0).tolist() == [7, 9]


def test_a_side_that_cannot_be_decoded_is_refused() -> None:
    others = InMemory([b"nothing"] * 50, location="out")
    with pytest.raises(EvidenceError) as caught:
        _gathered(_source(60, seed=1, location="in"), others)
    assert str(caught.value) == (
        "none of the known non-members in out can be decoded; out/0 is not an image in "
        f"{', '.join(_readable_formats())} (50 like it)"
    )


def test_too_few_that_can_be_decoded_are_refused_at_once_with_the_reasons_of_the_others() -> None:
    members = _source(60, seed=1, location="in")
    members.encoded[20:50] = [HEIC] * 30
    members.encoded[50:55] = [b""] * 5
    members.passed_over = (PassedOver(reason="files with the suffix .psd", count=7, examples=("a.psd",)),)
    with pytest.raises(EvidenceError) as caught:
        _gathered(members, _source(60, seed=2, location="out"))
    assert str(caught.value) == (
        "25 known members of 60 are too few to fit, calibrate and test on: give at least 40, better 1,000 or more; 35 "
        "cannot be read: in/20 is a HEIC image, which needs pillow-heif: pip install pillow-heif, or convert it (30 "
        "like it); in/50 is empty (5 like it); passed over: 7 files with the suffix .psd (for example a.psd)"
    )


def test_too_few_that_are_left_of_copies_say_so() -> None:
    members = _source(41, seed=1, location="in")
    members.encoded[39:] = [members.encoded[0]] * 2
    with pytest.raises(EvidenceError, match="39 known members are too few to fit") as caught:
        _gathered(members, _source(60, seed=2, location="out"))
    assert caught.value.__notes__ == ["2 were left out as copies, for example in/39"]


@pytest.mark.parametrize(("classes", "refused"), [(10, True), (11, False), (None, False)])
def test_labels_outside_the_outputs_are_refused(classes: int | None, refused: bool) -> None:
    sides = (_source(50, seed=1, location="in"), _source(50, seed=2, location="out", labels=[10] * 50))
    if refused:
        with pytest.raises(ImagesError, match="out holds label 10, but the target has outputs 0 to 9"):
            _gathered(*sides, classes=classes)
    else:
        assert _gathered(*sides, classes=classes)[0].table.labels is not None


def _rows(name: str, count: int) -> tuple[list[bytes], list[int]]:
    table = pq.read_table(DEMO / f"{name}.parquet").slice(0, count)
    return [row["bytes"] for row in table["image"].to_pylist()], table["label"].to_pylist()


def test_copies_among_real_images_are_counted_and_settled() -> None:
    (inside, of), (outside, others) = _rows("members", 120), _rows("nonmembers", 120)
    members = InMemory([*inside, inside[0], outside[0]], labels=[*of, of[0], others[0]], location="in")
    evidence, copies = _gathered(members, InMemory(outside, labels=others, location="out"))
    assert copies.on_both_sides == 1
    assert copies.left_out >= 1
    assert {"in/120", "in/121", "out/0"} <= set(copies.left_out_images)
    assert evidence.table.is_member.sum() == 120


def test_the_same_place_twice_is_no_evidence(tmp_path: Path) -> None:
    for name in ("first", "second"):
        pq.write_table(pq.read_table(DEMO / "members.parquet").slice(0, 100), tmp_path / f"{name}.parquet")
    settings = EvidenceSettings()
    sources = open_evidence(tmp_path / "first.parquet", tmp_path / "second.parquet", settings).sources
    with pytest.raises(EvidenceError, match="100 of the known members are given as non-members too"):
        gather(sources, 10, settings, rng=np.random.default_rng(0), stage=quiet)


def test_more_class_folders_than_outputs_are_named_and_not_only_counted() -> None:
    sides = (_source(50, seed=1, location="in"), _source(50, seed=2, location="out", labels=[2] * 50))
    for side in sides:
        side.numbering = in_order(("cat", "dog", "misc"), "alphabet")
    with pytest.raises(ImagesError) as caught:
        _gathered(*sides, classes=2)
    assert str(caught.value) == (
        "there are 3 class folders, from 'cat' to 'misc', but the target has outputs 0 to 1: take away what is no "
        "class, or give the classes in order with --classes FILE, or use --no-labels"
    )
