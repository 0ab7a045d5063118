"""Work that tests give to a cluster: it travels by its name, as what makes units does."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from onnxmint.errors import OnnxmintError
from onnxmint.settings import DeviceKind


@dataclass(slots=True, kw_only=True)
class Files:
    """Makes a file a unit; some units end their process, refuse, or take long."""

    folder: str
    crash: tuple[int, ...] = ()
    refuse: tuple[int, ...] = ()
    seconds: float = 0.0
    opened: bool = False

    def check(self) -> None:
        if not Path(self.folder).is_dir():
            raise OnnxmintError(f"does not see {self.folder}")

    def __call__(self, unit: int, *, device: DeviceKind, cores: int, reason: str) -> None:
        if not self.opened:  # as what reads a model: once in a process
            self.opened = True
            with (Path(self.folder) / "opened").open("a") as opened:
                opened.write(f"{os.getpid()}\n")
        with (Path(self.folder) / f"{unit}.tries").open("a") as tries:
            tries.write(f"{os.getpid()}\n")
        time.sleep(self.seconds)
        if unit in self.crash:
            os.kill(os.getpid(), signal.SIGSEGV)
        if unit in self.refuse:
            raise OnnxmintError(f"unit {unit} cannot be made")
        (Path(self.folder) / str(unit)).write_text(f"{device} {cores} {reason}")
