"""Questioned images looked at without a model: known ones are named and not judged, copies count once."""

import numpy as np
import pytest

from onnxmint.errors import ImagesError
from onnxmint.evidence.questioned import Questioned, look_at_questioned
from onnxmint.images.chosen import Part
from onnxmint.images.facts import look_at
from onnxmint.progress import quiet
from tests.sources import InMemory, pictures

KNOWN = pictures(6, seed=1)
ASKED = pictures(8, seed=2)


def _looked(encoded: list[bytes], **options: object) -> Questioned:
    digest = look_at(InMemory(KNOWN), wanted=set(range(6)), stage=quiet, name="").digest
    is_member = np.arange(6) < 3
    source = InMemory(encoded, location="asked", **options)
    return look_at_questioned(source, digest, is_member, rng=np.random.default_rng(0), stage=quiet)


def test_images_that_are_known_are_named_with_their_side_and_not_judged() -> None:
    found = _looked([ASKED[0], KNOWN[1], ASKED[1], KNOWN[4]])
    assert [(image.path, image.reason) for image in found.known] == [
        ("asked/1", "is a known member of the evidence: nothing to test"),
        ("asked/3", "is a known non-member of the evidence: nothing to test"),
    ]
    assert found.known_row.tolist() == [1, 3]
    assert found.to_judge.tolist() == [0, 2]
    assert found.facts.index[found.described].tolist() == [0, 2]


def test_images_to_be_shown_keep_their_rows_and_labels() -> None:
    images = _looked(ASKED, labels=[row % 3 for row in range(8)]).images(np.array([2, 5]))
    (part,) = images.parts
    assert isinstance(part, Part)
    assert (images.count, part.row.tolist(), part.index.tolist()) == (8, [2, 5], [2, 5])
    assert part.label is not None
    assert part.label.tolist() == [2, 2]
    (unlabelled,) = _looked(ASKED).images(np.array([2, 5])).parts
    assert unlabelled.label is None


def test_near_copies_belong_together_and_single_images_to_themselves() -> None:
    assert _looked(ASKED).groups(np.arange(8)) is None
    twice = _looked([*ASKED, ASKED[3]])
    found = twice.groups(np.arange(9))
    assert found is not None
    assert found[8] == found[3]
    assert len(np.unique(found)) == 8
    assert twice.groups(np.arange(8)) is None


def test_groups_that_are_given_are_kept() -> None:
    found = _looked(ASKED, groups=["a", "a", "b", "b", "c", "c", "d", "d"]).groups(np.array([0, 1, 2, 6]))
    assert found is not None
    assert found[0] == found[1]
    assert len(np.unique(found)) == 3


def test_an_image_that_cannot_be_opened_has_no_facts_but_is_still_asked_about() -> None:
    found = _looked([ASKED[0], b"nothing", ASKED[1]])
    assert found.facts.index.tolist() == [0, 2]
    assert found.to_judge.tolist() == [0, 1, 2]
    assert found.row_of(np.array([2, 0])).tolist() == [2, 0]


@pytest.mark.parametrize("row", [1, 3])
def test_what_was_not_decoded_has_no_digest_and_no_group(row: int) -> None:
    found = _looked([ASKED[0], b"nothing", ASKED[1], b"nothing"])
    assert found.digest(np.array([0, 2])).tolist() == found.facts.digest.tolist()
    for asked in (found.digest, found.groups):
        with pytest.raises(ImagesError, match=f"asked/{row} could not be decoded at first, and could later"):
            asked(np.array([0, row]))
