"""Questioned images looked at without a model: known ones are named and not judged, copies count once."""

import io

import numpy as np
import pytest
from PIL import Image

from onnxmint.errors import ImagesError
from onnxmint.evidence.questioned import Questioned, look_at_questioned
from onnxmint.images.chosen import Part
from onnxmint.images.facts import look_at
from onnxmint.images.known_copies import Looks
from onnxmint.progress import quiet
from tests.sources import InMemory, pictures

KNOWN = pictures(6, seed=1)
ASKED = pictures(8, seed=2)


def _looked(encoded: list[bytes], sample: int | None = None, **options: object) -> Questioned:
    facts = look_at(InMemory(KNOWN), wanted=set(range(6)), stage=quiet, name="")
    known = Looks(digest=facts.digest, phash=facts.phash, thumb=facts.thumb)
    source = InMemory(encoded, location="asked", **options)
    rng = np.random.default_rng(0)
    return look_at_questioned(source, known, np.arange(6) < 3, rng=rng, stage=quiet, sample=sample)


def test_images_that_are_known_are_named_with_their_side_and_not_judged() -> None:
    found = _looked([ASKED[0], KNOWN[1], ASKED[1], KNOWN[4]])
    assert [(image.path, image.reason) for image in found.known] == [
        ("asked/1", "is a known member of the evidence: nothing to test"),
        ("asked/3", "is a known non-member of the evidence: nothing to test"),
    ]
    assert found.known_row.tolist() == [1, 3]
    assert found.to_judge.tolist() == [0, 2]
    assert found.facts.index[found.described].tolist() == [0, 2]


def smooth(seed: int) -> Image.Image:
    """Return a picture of large shapes, as photos are."""
    small = np.random.default_rng(seed).integers(0, 255, (4, 4, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str, **options: int) -> bytes:
    room = io.BytesIO()
    image.save(room, form, **options)
    return room.getvalue()


def test_near_copies_of_known_images_are_named_and_not_judged() -> None:
    """A known member, saved again as JPEG, and a known non-member, made a little brighter, are known already."""
    known = [smooth(number) for number in range(4)]
    facts = look_at(InMemory([encoded(one, "PNG") for one in known]), wanted=set(range(4)), stage=quiet, name="")
    looks = Looks(digest=facts.digest, phash=facts.phash, thumb=facts.thumb)
    asked = [
        encoded(known[1], "JPEG", quality=80),
        encoded(smooth(9), "JPEG", quality=80),
        encoded(known[2].point(lambda level: min(level + 3, 255)), "PNG"),
        encoded(known[0], "PNG"),
    ]
    source, is_member = InMemory(asked, location="asked"), np.arange(4) < 2
    found = look_at_questioned(source, looks, is_member, rng=np.random.default_rng(0), stage=quiet)
    assert [(image.path, image.reason) for image in found.known] == [
        ("asked/0", "is a near copy of a known member of the evidence: nothing to test"),
        ("asked/2", "is a near copy of a known non-member of the evidence: nothing to test"),
        ("asked/3", "is a known member of the evidence: nothing to test"),
    ]
    assert found.to_judge.tolist() == [1]
    bare = Looks(digest=facts.digest, phash=facts.phash[:0], thumb=facts.thumb[:0])
    exact = look_at_questioned(source, bare, is_member, rng=np.random.default_rng(0), stage=quiet)
    assert exact.known_row.tolist() == [3]


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


def test_a_sample_holds_the_same_contents_whatever_the_order_and_none_that_is_known() -> None:
    given = [*ASKED, KNOWN[0], ASKED[0], ASKED[0], b"broken"]
    found, turned = _looked(given, sample=3), _looked(given[::-1], sample=3)
    contents = [
        {one[row] for row in looked.to_judge.tolist()} for looked, one in ((found, given), (turned, given[::-1]))
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) == len(found.to_judge) == 3
    assert found.sample is not None
    assert found.sample.drawn_from == 8
    assert [image.path for image in found.sample.unreadable] == ["asked/11"]
    assert found.facts.index.tolist() == found.to_judge.tolist()
    assert len(found.described) == 3


def test_a_sample_larger_than_the_set_is_the_set_with_copies_once() -> None:
    found = _looked([*ASKED, ASKED[2], KNOWN[0]], sample=100)
    assert found.to_judge.tolist() == list(range(8))


def test_a_sample_of_groups_takes_them_whole() -> None:
    found = _looked(ASKED, sample=2, groups=["a", "a", "a", "b", "b", "c", "c", "c"])
    names = [found.entries[row].group for row in found.to_judge.tolist()]
    assert found.sample is not None
    assert found.sample.drawn_from == 3
    assert len(set(names)) == 2
    assert all(names.count(name) == [one.group for one in found.entries].count(name) for name in set(names))
