"""Known images divided into parts that serve one purpose each: alike in every class, groups whole."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def divide(
    is_member: NDArray[np.bool_],
    labels: Rows | None,
    groups: Rows | None,
    rng: np.random.Generator,
    *,
    shares: Sequence[float],
) -> NDArray[np.int8]:
    """Return the part of each row: by shares, alike in every class, whole groups only.

    Args:
        is_member: (n,) bool.
        labels: (n,) classes to keep in proportion, or None.
        groups: (n,) numbers of groups never divided, also when a group holds members and non-members; or None.
        rng: source of the order.
        shares: of the parts, in their order.
    """
    count = len(is_member)
    unit = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
    size = np.stack([np.bincount(unit, weights=side) for side in (is_member, ~is_member)], axis=1)
    first = np.full(len(size), count)
    np.minimum.at(first, unit, np.arange(count))
    stratum = is_member[first] * (1 << 32) + (0 if labels is None else labels[first])
    order = rng.permutation(len(size))
    order = order[np.argsort(stratum[order], kind="stable")]
    wanted = np.array(shares)
    assigned, seen = np.zeros((len(wanted), 2)), np.zeros(2)
    part = np.empty(len(size), np.int8)
    for number in order:
        seen += size[number]
        lacking = (wanted[:, None] * seen - assigned) @ size[number]
        part[number] = int(np.argmax(lacking))
        assigned[part[number]] += size[number]
    return part[unit]
