"""Tables of Arrow, which pandas, polars, DuckDB and pyarrow take as they are: what all results need to be some."""

from abc import abstractmethod
from typing import Any

from onnxmint.errors import OnnxmintError


def storable(text: str) -> str:
    """Return text that can be stored as UTF-8: names of files may hold bytes that no encoding holds."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def frame_of(table: Any) -> Any:
    """Return a table as a pandas DataFrame.

    Raises:
        OnnxmintError: pandas is not installed.
    """
    try:
        return table.to_pandas()
    except ImportError:
        raise OnnxmintError(
            "to_frame() needs pandas, which is not installed: pip install pandas, or give the result itself to "
            "pyarrow.table(...), polars.DataFrame(...) or DuckDB"
        ) from None


class Tabular:
    """A result that is a table too: of pandas by `to_frame`, of all that reads Arrow as it is.

    pyarrow.table(result), polars.DataFrame(result) and DuckDB take it by Arrow's C stream.
    """

    __slots__ = ()

    @abstractmethod
    def table(self) -> Any:
        """Return the Arrow table."""

    def to_frame(self) -> Any:
        """Return the same as a pandas DataFrame.

        Raises:
            OnnxmintError: pandas is not installed.
        """
        return frame_of(self.table())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the same table to whatever reads Arrow."""
        return self.table().__arrow_c_stream__(requested_schema)
