"""Subjects of the questioned images: the persons, artists or archives that a verdict is asked of one by one."""

from collections.abc import Hashable, Sequence
from pathlib import Path

from onnxmint.errors import UsageError
from onnxmint.images.entries import ImageSource
from onnxmint.images.sources import open_source
from onnxmint.settings import AuditSettings

FOLDER = "folder"
_SHOWN = 5  # names in a message
Subjects = tuple[str | None, ...]


def subjects_of(
    images: str | Path | Sequence[str | Path], source: ImageSource, settings: AuditSettings
) -> Subjects | None:
    """Return the subject of every questioned image, in the order of the source; None where none are asked for.

    Args:
        images: where they are.
        source: the same, opened.
        settings: by what subjects are told apart, and which one is asked for.

    Raises:
        UsageError: the column or pattern does not serve, or nobody has the name that is asked for.
    """
    if settings.subject is None:
        if settings.subject_first is not None:
            raise UsageError("--subject-first names a subject: say with --subject how subjects are told apart")
        return None
    if settings.sample is not None:
        raise UsageError("--sample draws images whosever they are, so that few of a subject's are left: leave it out")
    if settings.sequential:
        raise UsageError("--sequential stops as soon as the whole set tells, before every subject can: leave it out")
    pattern = _folder_pattern(source) if settings.subject == FOLDER else settings.subject
    try:
        named = open_source(images, group=pattern, labels=False)
    except UsageError as problem:
        if settings.subject == FOLDER:
            raise UsageError(f"--subject folder: no image of {source.location} lies in a sub-folder") from None
        raise UsageError(str(problem).replace("--group", "--subject").replace("a group is", "a subject is")) from None
    found = _in_order_of(source, named)
    _require_first(settings.subject_first, found)
    return found


def _in_order_of(source: ImageSource, named: ImageSource) -> Subjects:
    """Return the subjects of a source's images, of which some were left out and some may be there more than once."""
    subjects: dict[Hashable, list[str | None]] = {}
    for entry, origin in zip(named.entries(), named.origins(), strict=True):
        subjects.setdefault(origin, []).append(entry.group)
    return tuple(subjects[origin].pop(0) for origin in source.origins())


def _folder_pattern(source: ImageSource) -> str:
    """Return the pattern of the first sub-folder on a path, of the one below where the first is the class."""
    classes = set(source.classes or ())
    first = {entry.path.partition("/")[0] for entry in source.entries()}
    return r"^[^/]+/([^/]+)/" if classes and first <= classes else r"^([^/]+)/"


def _require_first(first: str | None, found: Subjects) -> None:
    names = sorted({name for name in found if name is not None})
    if first is not None and first not in names:
        shown = ", ".join(names[:_SHOWN])
        raise UsageError(f"--subject-first {first!r} is none of the {len(names):,} subjects: {shown}, ...")
