"""Copies are found as a comparison of all pairs finds them; changed copies are joined, other images are not."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from onnxmint.images.duplicates import NEAR_BITS, NEAR_LEVELS, copies, exact
from onnxmint.images.facts import look_at
from onnxmint.images.sources import open_source
from onnxmint.progress import quiet


def _slow(digest: np.ndarray, phash: np.ndarray, thumb: np.ndarray) -> np.ndarray:
    """Return the clusters from all pairs, one by one."""
    numbers = np.arange(len(digest))
    for left in range(len(digest)):
        for right in range(left):
            bits = (int(phash[left]) ^ int(phash[right])).bit_count()
            levels = np.abs(thumb[left].astype(int) - thumb[right]).mean()
            if digest[left] == digest[right] or (bits <= NEAR_BITS and levels <= NEAR_LEVELS):
                numbers[numbers == numbers[left]] = numbers[right]
    return numbers


def _same_clusters(found: np.ndarray, expected: np.ndarray) -> bool:
    return bool(((found[:, None] == found) == (expected[:, None] == expected)).all())


def _related(rng: np.random.Generator, count: int, families: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return facts of images that differ from a few ancestors by about as much as copies may."""
    parent = rng.integers(0, families, count)
    phash = rng.integers(0, 2**64, families, dtype=np.uint64)[parent]
    for row in range(count):
        for bit in rng.choice(64, rng.integers(0, 5), replace=False):
            phash[row] ^= np.uint64(1) << np.uint64(bit)
    thumb = rng.integers(20, 230, (families, 192))[parent] + rng.integers(-1, 2, (count, 192))
    thumb += rng.integers(-9, 10, (count, 1))
    digest = rng.permutation(count).astype(np.uint64)
    digest[: count // 10] = digest[count // 10 : 2 * (count // 10)]
    phash[: count // 10] = phash[count // 10 : 2 * (count // 10)]
    thumb[: count // 10] = thumb[count // 10 : 2 * (count // 10)]
    return digest, phash, thumb.astype(np.uint8)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 90), families=st.integers(1, 20))
def test_copies_are_those_of_all_pairs(seed: int, count: int, families: int) -> None:
    facts = _related(np.random.default_rng(seed), count, families)
    assert _same_clusters(copies(*facts), _slow(*facts))


def test_copies_do_not_depend_on_how_many_pairs_are_compared_at_once() -> None:
    facts = _related(np.random.default_rng(0), 300, 5)
    assert _same_clusters(copies(*facts, at_once=7), _slow(*facts))


def test_hashes_may_differ_in_any_bits() -> None:
    """Four bits in four bands leave one band; five bits, one in each, are too many."""
    rng = np.random.default_rng(0)
    thumb = np.full((2, 192), 99, np.uint8)
    for _ in range(300):
        many = NEAR_BITS + int(rng.integers(0, 2))
        first = int(rng.integers(0, 2**63))
        second = first ^ sum(1 << int(bit) for bit in rng.choice(64, many, replace=False))
        found = copies(np.arange(2, dtype=np.uint64), np.array([first, second], np.uint64), thumb)
        assert (found[0] == found[1]) == (many <= NEAR_BITS)


@pytest.mark.parametrize(("apart", "joined"), [(NEAR_LEVELS, True), (NEAR_LEVELS + 1, False)])
def test_thumbnails_may_differ_a_little(apart: int, joined: bool) -> None:
    thumb = np.stack([np.full(192, 255), np.full(192, 255 - apart)]).astype(np.uint8)
    found = copies(np.arange(2, dtype=np.uint64), np.zeros(2, np.uint64), thumb)
    assert (found[0] == found[1]) == joined


def test_copies_of_copies_hang_together() -> None:
    thumb = np.repeat(np.arange(0, 250, NEAR_LEVELS, dtype=np.uint8)[:, None], 192, axis=1)
    found = copies(np.arange(len(thumb), dtype=np.uint64), np.zeros(len(thumb), np.uint64), thumb)
    assert len(set(found.tolist())) == 1


def test_exact_copies_have_equal_digests() -> None:
    assert _same_clusters(exact(np.array([5, 2**64 - 1, 5, 7], np.uint64)), np.array([0, 1, 0, 2]))
    assert exact(np.array([5, 7], np.uint64)).dtype == np.int64


@pytest.mark.parametrize("count", [0, 1])
def test_few_images_have_no_copies(count: int) -> None:
    found = copies(np.zeros(count, np.uint64), np.zeros(count, np.uint64), np.zeros((count, 192), np.uint8))
    assert found.tolist() == [0] * count
    assert found.dtype == np.int32


def test_many_unrelated_images_are_no_work() -> None:
    rng = np.random.default_rng(0)
    digest, phash = rng.integers(0, 2**64, (2, 20_000), dtype=np.uint64)
    assert len(set(copies(digest, phash, rng.integers(0, 256, (20_000, 192), np.uint8)).tolist())) == 20_000


def test_very_many_flat_images_are_bounded_work() -> None:
    """All of 30,000 hashes are equal: comparing all pairs would be 450 million thumbnails."""
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 256, (30_000, 1), np.uint8)
    found = copies(np.arange(30_000, dtype=np.uint64), np.zeros(30_000, np.uint64), np.repeat(gray, 192, axis=1))
    assert len(set(found.tolist())) == 1


def _scene(seed: int, height: int = 96, width: int = 128) -> Image.Image:
    """Return something like a photograph: large things, small things, grain."""
    rng = np.random.default_rng(seed)
    layers = np.zeros((height, width, 3))
    for size, weight in ((3, 90), (6, 60), (12, 40), (24, 20)):
        noise = rng.integers(0, 256, (size, size, 3), np.uint8)
        layers += np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)) / 255 * weight
    layers += rng.normal(0, 3, layers.shape)
    return Image.fromarray(np.clip(layers + 20, 0, 245).astype(np.uint8))


def _jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=70)
    return Image.open(buffer).convert("RGB")


CHANGES = {
    "jpeg": _jpeg,
    "brighter": lambda image: image.point(lambda level: level + 2),
    "larger": lambda image: image.resize((image.width + 1, image.height + 1)),
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(0.7)),
}


def _numbers(images: list[Image.Image], folder: object) -> np.ndarray:
    for number, image in enumerate(images):
        image.save(f"{folder}/{number:03}.png")
    facts = look_at(open_source(str(folder)), wanted=set(range(len(images))), stage=quiet, name="looking")
    return copies(facts.digest, facts.phash, facts.thumb)


def test_changed_copies_are_joined_and_other_images_are_not(tmp_path: object) -> None:
    originals = [_scene(seed) for seed in range(20)]
    changed = [change(image) for image in originals for change in CHANGES.values()]
    found = _numbers(originals + changed, tmp_path)
    kinds = np.concatenate([np.arange(20), np.repeat(np.arange(20), len(CHANGES))])
    assert len(set(found[:20].tolist())) == 20
    for number, name in enumerate(CHANGES):
        joined = found[20 + number :: len(CHANGES)] == found[:20]
        assert joined.mean() >= 0.9, name  # a hash may turn more bits by chance
    alike = found[:, None] == found
    assert not alike[kinds[:, None] != kinds].any()


def test_flat_images_of_nearly_one_colour_are_copies(tmp_path: object) -> None:
    images = [Image.new("RGB", (40, 30), colour) for colour in ((90, 90, 90), (93, 90, 94), (90, 160, 20))]
    found = _numbers(images, tmp_path)
    assert found[0] == found[1] != found[2]
