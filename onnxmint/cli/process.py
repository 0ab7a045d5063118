"""What the command is to the system around it: how it is stopped, where its words go, what its libraries may do."""

import contextlib
import errno
import logging
import os
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from types import FrameType, TracebackType

from onnxmint.report.names import visible

_OF_STREAMS = (errno.ENOSPC, errno.EPIPE, errno.EIO)
_REFUSALS = frozenset(
    {
        errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOSPC, errno.EIO, errno.EMFILE,
        errno.ENFILE, errno.ENXIO, errno.ENODEV, errno.ETIMEDOUT, *([errno.EDQUOT] if hasattr(errno, "EDQUOT") else []),
        *([errno.ESTALE] if hasattr(errno, "ESTALE") else []),
    }
)  # fmt: skip
_ENDINGS = ("SIGINT", "SIGTERM", "SIGHUP")  # by Ctrl-C, by a scheduler, by a terminal that was closed
_USUAL = (signal.SIG_DFL, signal.default_int_handler)
_IMPORTING = "<frozen importlib._bootstrap>"
_SOON = 0.05  # seconds


class Stopped(KeyboardInterrupt):
    """The system asks the process to end; like Ctrl-C, so that everything temporary goes."""

    def __init__(self, number: int) -> None:
        """Remember the signal."""
        super().__init__(number)
        self.number = number


def set_up(*, debug: bool) -> None:
    """Make this process the command: nothing of it is left behind, and nothing but our words is on its streams."""
    stop = _Stopper()
    for name in _ENDINGS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in _USUAL:  # under nohup it stays ignored
            signal.signal(number, stop)
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # an encoding that lacks a letter is no reason to fail
    sys.excepthook = _show_traceback
    if not debug and not sys.warnoptions:
        warnings.simplefilter("ignore")
        logging.getLogger().addHandler(logging.NullHandler())  # without one, Python prints what libraries warn of
    warnings.filterwarnings("ignore", module=r"PIL\.")  # what it has against an image is a reason of ours, or none
    with contextlib.suppress(OSError):  # of no folder for temporary files the one who needs it speaks
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())  # PyTorch makes it, and leaves it empty
    # Below the number of cores joblib takes its word, and does not run lscpu to count them.
    os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1" if (os.cpu_count() or 1) > 1 else "0")


class _Stopper:
    """Raises what Ctrl-C raises, but not into an import: libraries in C++ abort when one of theirs is interrupted."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._asked = self._again = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise, or look again soon; asked twice, let the system end the process at once."""
        twice, self._asked, self._again = self._asked and not self._again, True, False
        importing = _is_importing(frame)
        if twice or not importing:
            signal.signal(number, signal.SIG_DFL)
        if twice:
            os.kill(os.getpid(), number)
        if not importing:
            raise Stopped(number)
        later = threading.Timer(_SOON, self._look_again, (number,))
        later.daemon = True
        later.start()

    def _look_again(self, number: int) -> None:
        self._again = True
        os.kill(os.getpid(), number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False


def _show_traceback(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback in which no name of a file or tensor does anything to the terminal."""
    for line in "".join(traceback.format_exception(kind, problem, trace)).splitlines():
        print(visible(line), file=sys.stderr)  # noqa: T201 - what Python prints itself


def of_the_system(problem: Exception) -> str | None:
    """Return what the system refuses and what to do about it, None where the program itself failed."""
    if isinstance(problem, MemoryError):
        return "this takes more memory than there is; give fewer or smaller files, or take a machine that has more"
    if isinstance(problem, OSError) and problem.filename is not None and problem.errno in _REFUSALS:
        return (
            f"cannot read or write {os.fsdecode(problem.filename)}: {problem.strerror}; see who may do so there, or "
            "choose another place"
        )
    return None


def broken_output(problem: Exception | None = None) -> OSError | None:
    """Return why standard output cannot be written, None if it can; what is left of it then goes nowhere.

    Args:
        problem: what the command failed with, which may be just that.
    """
    broken = problem if isinstance(problem, OSError) and problem.errno in _OF_STREAMS and not problem.filename else None
    if sys.stdout is None:
        return broken
    try:
        sys.stdout.flush()
    except OSError as of_flush:
        broken = of_flush
    except ValueError:  # closed
        return broken
    if broken is not None:
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
    return broken
