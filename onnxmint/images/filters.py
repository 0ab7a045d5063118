"""The rows of a table that `?column=value` keeps, and which filter it was when none is left."""

from collections.abc import Sequence

_SHOWN = 5  # values of a column that a message lists
_LONGEST = 40  # letters of each
_BOOLEANS = frozenset({"true", "false"})


class Filters:
    """Filters that a row has to pass one after the other; each remembers what it refused."""

    def __init__(self, equals: Sequence[tuple[str, str]]) -> None:
        """Take (column, value) of each filter."""
        self.columns = tuple(column for column, _ in equals)
        self._wanted = tuple(value for _, value in equals)
        self._passed = [False] * len(equals)
        self._refused: list[dict[str, None]] = [{} for _ in equals]  # in order of appearance, one more than is shown

    def keeps(self, values: Sequence[object]) -> bool:
        """Return whether a row is kept, by its values of `columns`."""
        for number, value in enumerate(values):
            text = str(value)
            if not _same(text, self._wanted[number]):
                refused = self._refused[number]
                if len(refused) <= _SHOWN:
                    refused[text[:_LONGEST]] = None
                return False
            self._passed[number] = True
        return True

    def why_none(self) -> str:
        """Return why no row is left: the first filter that no row passed, and values that there are instead."""
        for column, wanted, passed, refused in zip(
            self.columns, self._wanted, self._passed, self._refused, strict=True
        ):
            if not passed and refused:
                listed = ", ".join(repr(text) for text in list(refused)[:_SHOWN])
                more = " and others" if len(refused) > _SHOWN else ""
                return f"leaves no row: no {column} is {wanted!r}; the values there: {listed}{more}"
        return "leaves no row; check the filter behind '?', or whether there are rows"


def _same(text: str, wanted: str) -> bool:
    """Compare as written, booleans without regard to case: Python, Parquet and CSV write them differently."""
    return text == wanted or (wanted.lower() in _BOOLEANS and text.lower() == wanted.lower())
