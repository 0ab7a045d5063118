"""The rows of Parquet files beside their images: names, labels and groups of those that are meant."""

from collections.abc import Iterator
from dataclasses import dataclass

from onnxmint.errors import ImagesError
from onnxmint.images.arrow import Opened, arrow_errors, opened
from onnxmint.images.classes import Numbering, number_by
from onnxmint.images.columns import Columns, find_columns, shown_name
from onnxmint.images.entries import require_countable
from onnxmint.images.filters import Filters
from onnxmint.images.labels import Faults, LabelReader
from onnxmint.images.passed import Tally
from onnxmint.images.selection import Reading, Selection
from onnxmint.places.remote import AnyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of a row beside its image."""

    number: int  # in its file
    name: str  # of the image; the file's with the row's number where it has none
    label: int | None
    group: str | None


class RowLister:
    """Lists the rows of one file after the other, which must agree about classes.

    Attributes:
        numbering: the classes that the files name, or that are known.
        likely: columns that may hold labels where none is called so.
        label: the column of labels of the last file, None where there is none.
        tally: rows of which something is passed over.
    """

    def __init__(self, chosen: Selection, reading: Reading) -> None:
        """Start with no file."""
        self.numbering: Numbering | None = None
        self.likely: tuple[str, ...] = ()
        self.label: str | None = None
        self.tally = Tally()
        self._chosen, self._reading = chosen, reading
        self._faults = Faults()
        self._filters: Filters | None = None
        self._labels = LabelReader(reading.classes, self.tally, self._faults)
        self._places = LabelReader(None, self.tally, self._faults)  # in the names that a file gives
        self._known: dict[str, int] = {}
        self._count = 0

    def rows(self, file: AnyPath) -> Iterator[Row]:
        """Yield the rows of a file that match.

        Raises:
            ImagesError: it cannot be read, or its columns do not serve.
            UsageError: a filter, label or group column that it lacks.
        """
        table = opened(file)
        with arrow_errors(file):
            names = table.schema.names
        chosen = self._chosen.for_table(names)
        self._filters = self._filters or Filters(chosen.equals)
        columns = find_columns(file, table.schema, chosen, self._reading)
        self._learn_classes(file, columns)
        for row in self._read(table, columns, self._filters):
            self._count += 1
            require_countable(self._count, self._chosen.words)
            yield row

    def settle(self, left: int) -> None:
        """Refuse what was listed when nothing is left of it, or too many rows make no sense.

        Raises:
            ImagesError: naming the filter, or the first such row.
        """
        self._faults.settle(self._count)
        if not left:
            why = self._filters.why_none() if self._filters is not None else "holds no Parquet file"
            raise ImagesError(f"{self._chosen.words} {why}")

    def _learn_classes(self, file: AnyPath, columns: Columns) -> None:
        """Remember the classes that a file names."""
        self.likely, self.label = columns.likely, columns.label
        for name in columns.further:
            self.tally.add("further columns of images", f"{name} of {file.name}")
        if columns.unread is not None:
            self.tally.add("metadata that may name classes", f"{file.name}: {columns.unread}")
        said = columns.numbering
        if columns.label is None:
            return
        if self._reading.classes is not None:
            self.numbering = self._reading.classes
            return
        if said is not None and self.numbering is not None and said != self.numbering:
            raise ImagesError(
                f"{file} names other classes than the files before it, so a label means two things; give one file, "
                "or use --no-labels"
            )
        self.numbering = said or self.numbering

    def _read(self, table: Opened, columns: Columns, filters: Filters) -> Iterator[Row]:
        file = table.file
        path = [columns.path] if columns.path else []  # a leaf of the struct: no bytes are read with it
        others = [name for name in (columns.label, columns.group) if name is not None]
        wanted = [*path, *dict.fromkeys((*others, *filters.columns))]
        total = sum(group.rows for group in table.groups)
        require_countable(total, str(file))
        if not wanted:
            yield from (Row(number=row, name=f"{file.name}:{row}", label=None, group=None) for row in range(total))
            return
        names = _names_said(columns.numbering) if self._reading.classes is not None else {}
        reader = self._places if names else self._labels
        row = 0
        with arrow_errors(file):
            for batch in table.handle.iter_batches(_many(table, wanted), columns=wanted):
                values = {name: batch[name].to_pylist() for name in wanted if name not in path}
                shown = batch[columns.image].field("path").to_pylist() if path else [None] * len(batch)
                for place in range(len(batch)):
                    if filters.keeps([values[column][place] for column in filters.columns]):
                        where = f"{file}, row {row + place}"
                        label = reader.number(values[columns.label][place], where) if columns.label else None
                        yield Row(
                            number=row + place,
                            name=shown_name(shown[place]) or f"{file.name}:{row + place}",
                            label=self._as_known(label, names, file),
                            group=shown_name(values[columns.group][place]) if columns.group else None,
                        )
                row += len(batch)

    def _as_known(self, label: int | None, names: dict[int, str], file: AnyPath) -> int | None:
        """Return the known number of the class that a file calls by another, by its name."""
        if label is None or label not in names or self._reading.classes is None:
            return label
        name = names[label]
        if name not in self._known:
            self._known |= number_by([name], self._reading.classes, str(file))
        return self._known[name]


def _names_said(numbering: Numbering | None) -> dict[int, str]:
    return {} if numbering is None else dict(zip(numbering.numbers, numbering.names, strict=True))


def _many(table: Opened, wanted: list[str]) -> int:
    """Return how many rows of some columns are read together."""
    found = [group.at_once(table.file, wanted) for group in table.groups]
    for many in found:
        if isinstance(many, str):
            raise ImagesError(f"a column beside the images of {table.file} {many}")
    return min((many for many in found if isinstance(many, int)), default=1)
