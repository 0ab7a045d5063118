"""Room for the activations that a module is fitted on: in memory while they are few, on the GPU, else in a file.

The file is one .npy in a temporary folder, gone when the store is closed. It is written and read in pieces, and a piece
read is a copy: pages of a file that stays mapped would count as this process's memory.
"""

import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from onnxmint.engine.session import Device
from onnxmint.errors import EvidenceError
from onnxmint.writing import no_room_for

_IN_MEMORY = 64 << 20  # bytes; more goes to the file


class Activations(Protocol):
    """Activations by row: a tensor, or one that is read from a file when asked for."""

    @property
    def device(self) -> torch.device:
        """Return where rows come out."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, rows: Any, /) -> Tensor:
        """Return (r, ...) float32: the rows of a slice or of a tensor of row numbers."""


class FiledActivations:
    """(n, ...) float32 rows of a .npy file, or of some of its rows."""

    device = torch.device("cpu")

    def __init__(self, file: Path, rows: Tensor) -> None:
        """Look at the given rows of a file."""
        self._file = file
        self._rows = rows

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __getitem__(self, rows: Any, /) -> Tensor:
        """Read some rows."""
        mapped = np.load(self._file, mmap_mode="r")
        read: Tensor = torch.from_numpy(np.asarray(mapped)[self._rows[rows].numpy()])
        return read

    def chosen(self, rows: Tensor) -> "FiledActivations":
        """Return a look at some of the rows; nothing is read."""
        return FiledActivations(self._file, self._rows[rows])


def choose(activations: Activations, rows: Any) -> Activations:
    """Return some rows, still in the file if they are in one."""
    chosen = torch.as_tensor(rows)
    return activations.chosen(chosen) if isinstance(activations, FiledActivations) else activations[chosen]


class ActivationStore:
    """Takes activations batch by batch and gives them back by row, as often as fitting needs."""

    def __init__(self, count: int, shape: tuple[int, ...], device: Device, *, in_memory: int = _IN_MEMORY) -> None:
        """Make room for at most `count` float32 activations of `shape`; above so many bytes on the disk.

        Raises:
            EvidenceError: they need a file, and the disk has no room for it.
        """
        size = 4 * count * int(np.prod(shape))
        self._filled = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        on_gpu = device.kind == "cuda" and size < torch.cuda.mem_get_info()[0] // 2
        if on_gpu or size <= in_memory:
            self._room = torch.empty(count, *shape, device="cuda" if on_gpu else "cpu")
            return
        _require_disk(size)
        self._folder = tempfile.TemporaryDirectory(prefix="onnxmint-")
        self._file = Path(self._folder.name) / "activations.npy"
        self._handle = self._file.open("wb")
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, *shape)}
        np.lib.format.write_array_header_1_0(self._handle, header)
        self._whole = self._handle.tell() + size

    @property
    def values(self) -> Activations:
        """Return the activations kept so far, (n, ...) float32."""
        if self._folder is None:
            return self._room[: self._filled]
        self._handle.flush()
        self._handle.truncate(self._whole)  # the header speaks of all that were to come; some were not readable
        return FiledActivations(self._file, torch.arange(self._filled))

    def append(self, activations: Any) -> None:
        """Keep the activations of a batch, a NumPy array or a torch tensor."""
        values = activations if isinstance(activations, Tensor) else torch.from_numpy(activations)
        end = self._filled + len(values)
        if self._folder is None:
            self._room[self._filled : end] = values.to(self._room.device)
        else:
            try:
                self._handle.write(values.cpu().contiguous().numpy().astype("<f4", copy=False).data)
            except OSError as problem:  # the disk filled up meanwhile
                raise EvidenceError(
                    f"cannot keep activations in {self._file.parent}: {problem.strerror or problem}; set TMPDIR to a "
                    "larger disk, or use --limit"
                ) from None
        self._filled = end

    def close(self) -> None:
        """Give the room back."""
        if self._folder is None:
            del self._room
            return
        self._handle.close()
        self._folder.cleanup()


def _require_disk(size: int) -> None:
    if (offered := no_room_for(size)) is not None:
        raise EvidenceError(
            f"the activations to fit on take {size / 1e9:.1f} GB, {offered}: use --limit, or set TMPDIR to a "
            "larger disk"
        )
