"""Room for the activations that a module is fitted on: in memory while they are few, on the GPU, else in a file.

The file has no name that could outlive this process: it is unlinked as soon as it is open (on Windows, when it is
closed). It is written and read in pieces, and a piece read is a copy: pages of a file that stays mapped would count as
this process's memory.
"""

import mmap
import tempfile
from typing import IO, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from onnxmint.engine.session import Device
from onnxmint.errors import EvidenceError
from onnxmint.writing.files import no_room_for

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
    """(n, ...) float32 rows of a file, or of some of its rows."""

    device = torch.device("cpu")

    def __init__(self, file: IO[bytes], shape: tuple[int, ...], rows: Tensor) -> None:
        """Look at the given rows of a file that holds activations of this shape, one after the other."""
        self._file = file
        self._shape = shape
        self._rows = rows

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __getitem__(self, rows: Any, /) -> Tensor:
        """Read some rows."""
        wanted = self._rows[rows].numpy()
        if not len(wanted):
            return torch.empty(0, *self._shape)
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        whole = np.frombuffer(mapped, "<f4").reshape(-1, *self._shape)
        read: Tensor = torch.from_numpy(whole[wanted].astype(np.float32, copy=False))
        return read

    def chosen(self, rows: Tensor) -> "FiledActivations":
        """Return a look at some of the rows; nothing is read."""
        return FiledActivations(self._file, self._shape, self._rows[rows])


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
        self._shape = shape
        self._file: IO[bytes] | None = None
        on_gpu = device.kind == "cuda" and size < torch.cuda.mem_get_info()[0] // 2
        if on_gpu or size <= in_memory:
            self._room = torch.empty(count, *shape, device="cuda" if on_gpu else "cpu")
            return
        _require_disk(size)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it

    @property
    def values(self) -> Activations:
        """Return the activations kept so far, (n, ...) float32."""
        if self._file is None:
            return self._room[: self._filled]
        self._file.flush()
        return FiledActivations(self._file, self._shape, torch.arange(self._filled))

    def append(self, activations: Any) -> None:
        """Keep the activations of a batch, a NumPy array or a torch tensor."""
        values = activations if isinstance(activations, Tensor) else torch.from_numpy(activations)
        end = self._filled + len(values)
        if self._file is None:
            self._room[self._filled : end] = values.to(self._room.device)
        else:
            try:
                self._file.write(values.cpu().contiguous().numpy().astype("<f4", copy=False).data)
            except OSError as problem:  # the disk filled up meanwhile
                raise EvidenceError(
                    f"cannot keep activations in {tempfile.gettempdir()}: {problem.strerror or problem}; set TMPDIR to "
                    "a larger disk, or use --limit"
                ) from None
        self._filled = end

    def close(self) -> None:
        """Give the room back."""
        if self._file is None:
            del self._room
        else:
            self._file.close()


def _require_disk(size: int) -> None:
    if (offered := no_room_for(size)) is not None:
        raise EvidenceError(
            f"the activations to fit on take {size / 1e9:.1f} GB, {offered}: use --limit, or set TMPDIR to a "
            "larger disk"
        )
