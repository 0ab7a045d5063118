"""The files of an audit, with or without the names of images, and the key beside them."""

import os
import stat
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from onnxmint.errors import UsageError
from onnxmint.places.remote import RemotePath
from onnxmint.places.words import shown as without_secrets
from onnxmint.places.words import uri_of

if TYPE_CHECKING:
    from pathlib import Path

    from onnxmint.mint.auditor import Auditor
    from onnxmint.places.remote import AnyPath
    from onnxmint.report.presentation import Presentation
    from onnxmint.results.audit import AuditResult
    from onnxmint.results.redaction import RedactionKey
    from onnxmint.writing.scratch import Content

Command = Callable[..., Any]


def redact_option(command: Command) -> Command:
    """Add --redact."""
    return click.option(
        "--redact", is_flag=True,
        help="Leave names, folders and classes of images out of RUN: pseudonyms stand for them, and the key, in "
        "RUN.redaction-key beside it, looks them up (onnxmint lookup).",
    )(command)  # fmt: skip


def require_redactable(output: "Path | None", options: Mapping[str, Any]) -> None:
    """Refuse, before anything long begins, what tells of images all the same.

    Raises:
        UsageError: saying what to leave out.
    """
    if not options["redact"]:
        return
    for name, why in (("thumbnails", "shows the images themselves"), ("paths", "names the folders above them")):
        if options[name]:
            raise UsageError(f"--{name} {why}, and --redact is there to tell nothing of them: leave one of both out")
    if output is not None and uri_of(output) is not None:
        raise _no_store(output)


def files_of(
    result: "AuditResult",
    auditor: "Auditor",
    words: Mapping[str, object],
    *,
    place: "AnyPath",
    shown: "Presentation",
    options: Mapping[str, Any],
    registration: bytes | None,
) -> tuple["AuditResult", dict[str, "Content"]]:
    """Return an audit as it may be shown, and the files of its run.

    Args:
        result: the audit.
        auditor: of it.
        words: of the command.
        place: where the run will stand; a key is written beside it.
        shown: how the page is shown.
        options: whether names are redacted, or told with the folders above them.
        registration: the file that the audit was to keep to.
    """
    from onnxmint.report.files import run_files

    if not options["redact"]:
        return result, run_files(
            result,
            run_settings=words,
            auditor=auditor.model,
            shown=shown,
            paths=options["paths"],
            registration=registration,
        )
    from onnxmint.report.shared import without_folders
    from onnxmint.results.registration import REGISTRATION
    from onnxmint.workflows.redacting import redact

    before = None if registration is None else REGISTRATION.read(registration, "the registration")
    shorter, short = without_folders(result, words)
    hidden = redact(shorter, auditor, words, short, key_beside(place), registration=before)
    return hidden.result, run_files(
        hidden.result,
        run_settings=hidden.words,
        auditor=hidden.auditor,
        shown=shown,
        paths=True,  # what is left of names has no folders
        registration=registration,
        redaction=hidden.facts,
    )


def key_beside(place: "AnyPath") -> "RedactionKey":
    """Return the key beside a run, which is made where there is none.

    Raises:
        UsageError: the run will stand in a store, or others may read the key.
        OnnxmintError: the key cannot be read or written.
    """
    from onnxmint import __version__
    from onnxmint.results.redaction import REDACTION_KEY, SUFFIX, RedactionKey
    from onnxmint.workflows.redaction_keys import read_key
    from onnxmint.writing.files import write_secret

    if isinstance(place, RemotePath):
        raise _no_store(place)
    path = place.absolute().with_name(f"{place.absolute().name}{SUFFIX}")
    if os.path.lexists(path):
        key = read_key(path)
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise UsageError(f"others may read the redaction key {path}: chmod 600 it, or remove it for a new one")
        return key
    key = RedactionKey.new(__version__)
    write_secret(path, (REDACTION_KEY.write(key) + "\n").encode())
    return key


def _no_store(place: "AnyPath") -> UsageError:
    return UsageError(
        f"{without_secrets(str(place))} is in a store, where no key is put: choose a folder here with -o, and copy it "
        "there without its key"
    )
