"""A step of `questioning`: images are shown moved and mirrored, for the control of alignment."""

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.alignment import READINGS
from onnxmint.controls.seen import Missing
from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import ODDS, Shown, expose
from onnxmint.engine.worker import to_numpy
from onnxmint.evidence.questioned import Questioned
from onnxmint.graph.views import shifted
from onnxmint.images.chosen import Decoded, Images
from onnxmint.settings import AuditSettings
from onnxmint.stats.estimates import FloatArray
from onnxmint.workflows.opening import Ready

_MOST = 300  # images that are shown in all readings
_STEPS = 32  # of a side

Pixels = NDArray[np.uint8]


def read_displaced(
    ready: Ready, asked: Questioned, rows: NDArray[np.int64], settings: AuditSettings, engine: Engine
) -> FloatArray | Missing:
    """Return (k, readings) log-odds of at most 300 images in all readings.

    Args:
        ready: target and auditor.
        asked: the questioned images.
        rows: those that were scored, ascending.
        settings: batch size.
        engine: shows them.
    """
    told = ready.auditor.method.labels
    exposed = expose(ready.target, [], views=1, labels=told)
    columns = {ODDS: exposed.graph.odds or ""}
    chosen = rows[np.sort(np.argsort(asked.digest(rows), kind="stable")[:_MOST])]
    first = exposed.probe(batch_size=settings.batch_size, columns=columns, reduce=_with_pixels)
    seen = engine.observe(first, asked.images(chosen), name="looked at for copies")
    if not len(seen.row):
        return Missing(why="no questioned image could be read")
    pixels, found = seen.columns["pixels"], []
    if not pixels.size:
        return Missing(why="observations hold no images that could be moved")
    label = asked.labels[seen.row] if told and asked.labels is not None else None
    probe = exposed.probe(batch_size=settings.batch_size, columns=columns)
    place = np.arange(len(pixels))
    with engine.stage("questioned, moved and mirrored", len(READINGS)) as advance:
        for down, right, mirrored in READINGS:
            part = Decoded(pixels=displaced(pixels, down, right, mirrored=mirrored), row=place, label=label)
            odds = engine.observe(probe, Images(parts=(part,), count=len(place)), name="")
            found.append(odds.columns[ODDS][:, 0].astype(np.float64))
            advance(1)
    table: FloatArray = np.stack(found, axis=1)
    kept: FloatArray = table[np.isfinite(table).all(axis=1)]
    return kept


def displaced(pixels: Pixels, down: int, right: int, *, mirrored: bool) -> Pixels:
    """Return (n, H, W, C) images moved by so many steps, borders reflected, and then mirrored or not."""
    height, width = pixels.shape[1:3]
    rows = shifted(height, down * max(1, height // _STEPS))
    columns = shifted(width, right * max(1, width // _STEPS))
    return np.ascontiguousarray(pixels[:, rows][:, :, columns[::-1] if mirrored else columns])


def _with_pixels(shown: Shown) -> dict[str, NDArray[np.generic]]:
    return {"pixels": shown.pixels, ODDS: to_numpy(shown.outputs[ODDS])}
