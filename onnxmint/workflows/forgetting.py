"""A step of a comparison: which images are to be forgotten, and which are drawn where more are given than wanted."""

from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint.evidence.known import Evidence
from onnxmint.images.sources import open_source
from onnxmint.images.subset import SubsetSource
from onnxmint.images.together import Together
from onnxmint.settings import CompareSettings

_DRAWN = 2  # of the seed's streams that of images that are drawn

Place = str | Path


def drawn(known: Together, forget: Place | None, settings: CompareSettings) -> Together:
    """Draw images of each set, to be forgotten, members and held out, where there are more than are wanted.

    Args:
        known: images that were trained on, and held-out ones.
        forget: place of those to be forgotten; None where there are none.
        settings: limit and seed.
    """
    if settings.limit is None:
        return known
    rng, origins = np.random.default_rng((settings.seed, _DRAWN)), _origins(forget)
    trained, outside = known.sources
    inside = np.array([origin in origins for origin in trained.origins()], np.bool_)
    sets = (np.flatnonzero(inside), np.flatnonzero(~inside), np.arange(len(outside.entries())))
    chosen = [rng.permutation(one)[: settings.limit] for one in sets]
    places = (np.sort(np.concatenate(chosen[:2])), np.sort(chosen[2]))
    sources = tuple(SubsetSource(source, place.tolist()) for source, place in zip(known.sources, places, strict=True))
    return replace(known, sources=sources)


def to_forget(evidence: Evidence, forget: Place | None) -> NDArray[np.bool_]:
    """Return (n,) which images are to be forgotten; one that is given as a member too counts as that."""
    table = evidence.table
    if forget is None:
        return np.zeros_like(table.is_member)
    origins = _origins(forget)
    inside = [origin in origins for origin in evidence.sources[0].origins()]
    place = {entry.index: row for row, entry in enumerate(evidence.sources[0].entries())}
    return np.array(
        [
            member and inside[place[index]]
            for member, index in zip(table.is_member.tolist(), table.index.tolist(), strict=True)
        ],
        np.bool_,
    )


def _origins(forget: Place | None) -> frozenset[Hashable]:
    return frozenset() if forget is None else frozenset(open_source(forget, labels=False).origins())
