"""A sample by content: however the work is cut, whatever the order, it is the same."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.stats.sampling import bottom

DIGESTS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40)


def contents(digests: list[int], count: int, seed: int = 0) -> set[int]:
    digest = np.array(digests, np.uint64)
    return set(digest[bottom(digest, count, seed=seed)].tolist())


@given(DIGESTS, st.integers(1, 50), st.integers(0, 40))
def test_samples_of_parts_merge_to_that_of_the_whole_in_any_order(digests: list[int], count: int, cut: int) -> None:
    whole = contents(digests, count)
    shuffled = digests[::-1]
    parts = [part for part in (shuffled[:cut], shuffled[cut:]) if part]
    merged = [one for part in parts for one in contents(part, count)]
    assert contents(merged, count) == whole
    assert len(whole) == min(count, len(set(digests)))


@given(DIGESTS, st.integers(1, 50))
def test_copies_count_once_and_the_first_of_them_stays(digests: list[int], count: int) -> None:
    rows = bottom(np.array(digests * 3, np.uint64), count, seed=0)
    assert rows.max() < len(digests)
    assert len(set(np.array(digests * 3, np.uint64)[rows].tolist())) == len(rows)
    assert (np.diff(rows) > 0).all()


def test_another_seed_draws_another_sample_and_every_content_is_as_likely() -> None:
    digest = np.arange(50, dtype=np.uint64)
    drawn = np.bincount(np.concatenate([bottom(digest, 10, seed=seed) for seed in range(1000)]), minlength=50)
    assert abs(drawn - 200).max() < 5 * np.sqrt(1000 * 0.2 * 0.8)


def test_groups_come_whole_and_large_ones_are_no_likelier() -> None:
    groups = np.repeat([0, 1, 2, 3], [1, 30, 1, 30])
    digest = np.random.default_rng(0).integers(0, 2**63, len(groups)).astype(np.uint64)
    samples = [bottom(digest, 2, seed=seed, groups=groups) for seed in range(400)]
    chosen = [np.unique(groups[rows]) for rows in samples]
    assert all(len(one) == 2 for one in chosen)
    assert all(len(rows) == np.isin(groups, one).sum() for rows, one in zip(samples, chosen, strict=True))
    often = np.bincount(np.concatenate(chosen), minlength=4)
    assert abs(often - 200).max() < 50
