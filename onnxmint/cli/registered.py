"""What --registration names, held against the audit that is about to be made."""

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxmint.cli.options import settings_of
from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.settings import AuditSettings

_LARGEST = 1 << 26  # bytes of a registration

if TYPE_CHECKING:
    from onnxmint.mint.auditor import Auditor
    from onnxmint.progress import Stage
    from onnxmint.results.registration import Registration, RegistrationFacts
    from onnxmint.workflows.auditing import Known


def kept_to(
    model: Path, images: tuple[str, ...], known: "Auditor | Known", options: dict[str, Any], stage: "Stage"
) -> "tuple[RegistrationFacts | None, bytes | None]":
    """Return how an audit keeps to the registration that --registration names, and its file.

    Raises:
        UsageError: it is another audit, and --deviate does not say why.
    """
    from onnxmint.results.registration import canonical
    from onnxmint.workflows.registering import keep_to, register

    path, deviate = options.pop("registration"), options.pop("deviate")
    if path is None:
        if deviate is not None:
            raise UsageError("--deviate says why the audit is not as registered: give --registration too")
        return None, None
    before = read_registration(path)
    asked = register(model, images, known, settings=settings_of(AuditSettings, options), stage=stage)
    return keep_to(before, asked, deviate=deviate), canonical(before)


def read_registration(place: Path) -> "Registration":
    """Read a registration, from a store too.

    Raises:
        OnnxmintError: it cannot be read, or is none.
    """
    from onnxmint.places.fetching import brought_file
    from onnxmint.results.registration import REGISTRATION

    with brought_file(place, most=_LARGEST) as path:
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise OnnxmintError(
                    f"the registration {path} is no regular file; give the one that onnxmint register wrote"
                )
            return REGISTRATION.read(path.read_bytes(), str(path))
        except OSError as problem:
            raise OnnxmintError(f"cannot read the registration {path}: {problem.strerror or problem}") from None
