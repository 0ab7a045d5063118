"""One truth, whoever shows the images: neither workers nor batch sizes change what is observed, nor any score."""

from dataclasses import replace

import numpy as np
import pytest

from onnxmint.engine.local import Local
from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import ANSWER, ODDS, expose
from onnxmint.engine.target import Target
from onnxmint.evidence.known import Evidence
from onnxmint.graph.layers import choose_layers
from onnxmint.mint.fit_and_score import fit_and_score
from onnxmint.settings import TrainSettings

WORKERS, SIZES = (1, 3), (1, 5, 16, None)


@pytest.fixture(scope="module")
def damaged(few: Evidence) -> Evidence:
    """The known images, three of which cannot be read."""
    sources = tuple(_Damaged(source, few.table.index[few.table.is_member == side][places]) for source, side, places in
                    zip(few.sources, (True, False), ([4, 30], [0]), strict=True))  # fmt: skip
    return replace(few, sources=sources)


class _Damaged:
    """A source of which some images are cut short."""

    def __init__(self, source: object, broken: np.ndarray) -> None:
        self._source, self._broken = source, set(broken.tolist())

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def read(self, wanted: object = None) -> object:
        for image in self._source.read(wanted):
            yield replace(image, data=image.data[:60]) if image.index in self._broken else image


def _observed(target: Target, evidence: Evidence, workers: int, size: int | None) -> Observations:
    relu = choose_layers(target.layers, ("relu",))
    exposed = expose(target, relu, views=2, labels=True)
    probe = exposed.probe(batch_size=size, stored={relu[0].name: exposed.graph.activation_shapes[relu[0].name]})
    return Local(workers=workers).observe(probe, evidence.images(), name="")


def test_workers_and_batch_sizes_do_not_change_what_is_observed(target: Target, damaged: Evidence) -> None:
    first = _observed(target, damaged, 1, 16)
    assert len(first.skipped) == 3
    assert len(first.row) == first.count - 3
    assert first.columns.keys() >= {ANSWER, ODDS}
    (stored,) = first.stored
    for workers in WORKERS:
        for size in SIZES:
            with _observed(target, damaged, workers, size) as seen:
                np.testing.assert_array_equal(seen.row, first.row)
                assert (seen.count, seen.skipped) == (first.count, first.skipped)
                for name, values in first.columns.items():
                    np.testing.assert_array_equal(seen.columns[name], values)
                np.testing.assert_array_equal(seen.activations(stored)[:].numpy(), first.activations(stored)[:].numpy())
                np.testing.assert_array_equal(seen.sample[:1], first.sample[:1])
    first.close()


@pytest.mark.parametrize(
    ("module", "layers"), [("views", ()), pytest.param("trees", (), marks=pytest.mark.slow), ("cnn", ("relu",))]
)
def test_known_images_score_the_same_for_any_batch_size(
    target: Target, few: Evidence, module: str, layers: tuple[str, ...]
) -> None:
    read = choose_layers(target.layers, layers) if layers else ()
    found = []
    for size in SIZES:
        settings = TrainSettings(module=module, views=2, batch_size=size, device="cpu")
        found.append(fit_and_score(target, few, read, settings, Local()))
    for other in found[1:]:
        np.testing.assert_array_equal(other.score, found[0].score)
        assert other.best_epochs == found[0].best_epochs
        for name, values in found[0].held.signals.items():
            np.testing.assert_array_equal(other.held.signals[name], values)
