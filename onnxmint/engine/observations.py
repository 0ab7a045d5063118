"""What a model said of some images, as columns by row; and what an engine is: whatever can give that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.probe import Probe
from onnxmint.images.chosen import Images, Rows
from onnxmint.progress import Stage
from onnxmint.results.facts import Skipped

if TYPE_CHECKING:
    from onnxmint.engine.store import Activations, ActivationStore

Column = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """What one probe found out about some images.

    Attributes:
        count: rows of the table that the images are rows of.
        row: (k,) int64, rows that could be read, ascending.
        columns: by name, (k, ...) on the host.
        stored: by name, (k, ...) float32 wherever there is room: on the GPU, in memory or in a file.
        skipped: images that could not be read, with the reason.
        places: (k,) int64, which of the stored rows these are; None for all of them.
        sample: (s, H, W, C) uint8, pixels of the first s rows as they were shown, to hold another graph against.
    """

    count: int
    row: Rows
    columns: Mapping[str, Column]
    stored: Mapping[str, "ActivationStore"] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    places: Rows | None = None
    sample: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0, 0, 0), np.uint8))

    def full(self, name: str) -> NDArray[np.float64]:
        """Return the (count,) column as float64, NaN in rows that were not read."""
        found = np.full(self.count, np.nan)
        found[self.row] = self.columns[name]
        return found

    def activations(self, name: str) -> "Activations":
        """Return the (k, ...) float32 values of a stored column."""
        values = self.stored[name].values
        if self.places is None:
            return values
        from onnxmint.engine.store import choose

        return choose(values, self.places)

    def close(self) -> None:
        """Give back the room of stored columns."""
        for store in self.stored.values():
            store.close()

    def __enter__(self) -> "Observations":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give back the room of stored columns."""
        self.close()


class Engine(Protocol):
    """Shows images to models: in this process, on a cluster, or by reading what another party observed."""

    @property
    def stage(self) -> Stage:
        """Return what is told of the progress, of fitting on what was observed too."""

    def observe(self, probe: Probe, images: Images, *, name: str) -> Observations:
        """Return what the probe finds out about the images.

        An image that cannot be read is skipped with its reason; rows, order and values do not depend on how the work
        was divided.

        Args:
            probe: what is asked, of which model.
            images: of whom it is asked.
            name: what the progress is called.

        Raises:
            ModelError: the model cannot be loaded or run.
        """
