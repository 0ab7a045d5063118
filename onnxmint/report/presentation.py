"""How a result is shown to people: in which language, under which title, with which pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from onnxmint.errors import UsageError
from onnxmint.report.language import Language, LanguageName, language
from onnxmint.results.pictures import Pictures

LONGEST = 500  # letters of a title, a case or a note


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """What a reader of the page or of answer.txt is given beside the result itself.

    Attributes:
        code: the language.
        title, case, note: in the reader's own words; empty shows none.
        pictures: thumbnails of the most and the least member-like questioned images; None shows none.
    """

    code: LanguageName = "en"
    title: str = ""
    case: str = ""
    note: str = ""
    pictures: Pictures | None = None

    def __post_init__(self) -> None:
        """Refuse words that no head of a page holds."""
        if self.code not in get_args(LanguageName):
            raise UsageError(f"language {self.code!r} is none of {', '.join(get_args(LanguageName))}")
        for name in ("title", "case", "note"):
            if len(getattr(self, name)) > LONGEST:
                found = len(getattr(self, name))
                raise UsageError(f"the {name} has {found:,} letters, at most {LONGEST} are shown: shorten it")

    @property
    def language(self) -> Language:
        """Return what says things."""
        return language(self.code)

    def words(self) -> dict[str, str]:
        """Return what run.toml keeps, so that the page can be rendered again as it was."""
        said = {"language": self.code, "title": self.title, "case": self.case, "note": self.note}
        return {name: value for name, value in said.items() if value}


def presented(words: Mapping[str, object], pictures: Pictures | None = None) -> Presentation:
    """Return what run.toml kept.

    Raises:
        UsageError: it is no such thing.
    """
    said = {name: str(words.get(name, "")) for name in ("title", "case", "note")}
    return Presentation(code=str(words.get("language", "en")), pictures=pictures, **said)  # type: ignore[arg-type]
