"""A step of a check: what tokens of time in a run say, and whether they stand in the order that they have to."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onnxmint.errors import OnnxmintError
from onnxmint.results.manifest import NAME as MANIFEST
from onnxmint.results.registration import NAME as REGISTRATION
from onnxmint.workflows.stamping import TOKENS, NoStampError, Stamp, check_token
from onnxmint.writing.regular import regular_bytes

_WORDS = {REGISTRATION: "the registration existed", MANIFEST: "the run existed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """What tokens of time say.

    Attributes:
        registered: of the registration; None where there is none that the checker trusts.
        finished: of the manifest; the same.
        told: in words.
        wrong: what is not as it has to be, each in a line.
    """

    registered: Stamp | None
    finished: Stamp | None
    told: tuple[str, ...]
    wrong: tuple[str, ...]


def stamps_of(run: Path, tsa: Path | None) -> Stamps:
    """Check the tokens of a run.

    Args:
        run: folder of an audit, an evaluation or a comparison.
        tsa: certificates that the checker trusts.

    Raises:
        OnnxmintError: the certificates cannot be read, or the package that reads tokens is not installed.
    """
    found, told, wrong = dict[str, Stamp](), list[str](), list[str]()
    for name, token in TOKENS.items():
        path = run / token
        if not path.exists() and not path.is_symlink():
            continue
        try:
            stamp = check_token(regular_bytes(path), regular_bytes(run / name), tsa)
        except (OSError, ValueError) as problem:
            wrong.append(f"{token} {problem if isinstance(problem, NoStampError) else f'cannot be read: {problem}'}")
            continue
        except OnnxmintError as problem:
            if tsa is not None:
                raise
            told.append(f"{token} could not be read ({problem})")
            continue
        told.append(_said(name, token, stamp))
        if stamp.by is not None:
            found[name] = stamp
    return Stamps(
        registered=found.get(REGISTRATION), finished=found.get(MANIFEST), told=tuple(told), wrong=tuple(wrong)
    )


def _said(name: str, token: str, stamp: Stamp) -> str:
    if stamp.by is None:
        return f"{token} says {stamp.words}: could not be checked without the certificate that you trust (--tsa)"
    return f"{_WORDS[name]} at {stamp.words}, says a token of {stamp.by}"


def late(stamps: Stamps, created: str) -> Iterator[str]:
    """Yield why a registration that was stamped was not there before the run.

    Args:
        stamps: of the run.
        created: when the run ended by its own clock, ISO 8601.
    """
    if stamps.registered is None:
        return
    own = dt.datetime.fromisoformat(created)
    if stamps.registered.time > own:
        yield f"the registration was stamped {stamps.registered.words}, after the run of {created}"
    if stamps.finished is not None and stamps.registered.time > stamps.finished.time:
        yield f"the registration was stamped {stamps.registered.words}, after the run ({stamps.finished.words})"
