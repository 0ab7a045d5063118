"""Groups read from paths, for places without columns."""

import re
from collections.abc import Callable

from onnxmint.errors import UsageError


def group_of(pattern: str | None) -> Callable[[str], str | None]:
    """Return the function that finds a path's group: the first parenthesis of the pattern, or its whole match.

    Raises:
        UsageError: the pattern is no regular expression.
    """
    if pattern is None:
        return lambda path: None
    try:
        compiled = re.compile(pattern)
    except re.error as problem:
        raise UsageError(
            f"--group {pattern!r}: this place has no columns, so it must be a regular expression on paths: {problem}"
        ) from None

    def find(path: str) -> str | None:
        found = compiled.search(path)
        if found is None:
            return None
        return found.group(1) if compiled.groups else found.group(0)

    return find


def require_groups(groups: list[str | None], pattern: str | None, location: str) -> None:
    """Refuse a pattern that matches nothing: it would silently group nothing.

    Raises:
        UsageError: naming a path that it was tried on.
    """
    if pattern is not None and groups and all(group is None for group in groups):
        raise UsageError(
            f"--group {pattern!r} matches no image of {location}; a group is found by a pattern on its path"
        )
