"""The report's languages: one gettext catalogue each, and numbers, shares and dates as the language writes them.

English is what the code says; `words/CODE.po` holds another language, message by message, as translators' tools read
and write it. Babel reads it when it is needed, so that nothing compiled lies in the package, and knows how languages
write numbers and dates (CLDR).
"""

import copy
import datetime as dt
import functools
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

LanguageName = Literal["en", "de", "fr", "es"]
NAMES: Mapping[LanguageName, str] = {"en": "English", "de": "Deutsch", "fr": "français", "es": "español"}
WORDS = Path(__file__).with_name("words")
_LOCALES: Mapping[LanguageName, str] = {"en": "en_GB"}  # 25 November 2026, in this order
_LARGEST = 1e15  # beyond it decimals mean nothing, and Decimal runs out of them
_SMALLEST_P = 1e-4
_TENTH = 0.1  # shares below it are written with one decimal


def mark(message: str) -> str:
    """Return a message that is said elsewhere, so that catalogues hold it."""
    return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What says a message, and writes a number.

    Attributes:
        code: of the language.
        translations: gettext's, None for English.
        locale: Babel's.
    """

    code: LanguageName
    translations: Any
    locale: Any

    def say(self, message: str, **values: object) -> str:
        """Return a message, given in English, with its values put in by their names."""
        found: str = message if self.translations is None else self.translations.gettext(message)
        return found.format(**values) if values else found

    def several(self, one: str, many: str, count: int, **values: object) -> str:
        """Return the form of a message for so many things, with its values."""
        if self.translations is None:
            found = one if count == 1 else many
        else:
            found = self.translations.ngettext(one, many, count)
        return found.format(**values)

    def number(self, value: int) -> str:
        """Return a count: 1,000 in English, 1.000 in German."""
        return self._written(self.locale.decimal_formats[None], value, 0)

    def decimal(self, value: float, digits: int) -> str:
        """Return a number with so many decimals."""
        return self._written(self.locale.decimal_formats[None], value, digits)

    def rounded(self, value: float) -> str:
        """Return a number with as many decimals as it has, six figures at most."""
        return self.decimal(value, _decimals(value))

    def level(self, value: float) -> str:
        """Return a level such as 0.05 in percent, with as many decimals as it has."""
        return self.percent(value, _decimals(100 * value))

    def share(self, value: float) -> str:
        """Return a share of 1 in percent, small ones with one decimal."""
        return self.percent(value, 1 if 0 < value < _TENTH else 0)

    def percent(self, value: float, digits: int) -> str:
        """Return a share of 1 in percent with so many decimals."""
        return self._written(self.locale.percent_formats[None], value, digits)

    def _written(self, pattern: Any, value: float, digits: int) -> str:
        """Return a number as one of the language's patterns writes it; one that has no such digits as it is."""
        if not abs(value) < _LARGEST:
            return f"{value:g}"
        own = copy.copy(pattern)
        own.frac_prec = (digits, digits)
        found: str = own.apply(value, self.locale)
        return found

    def p_value(self, value: float) -> str:
        """Return "= 0.0123", or "< 0.0001" for what is smaller."""
        found = self.bare_p_value(value)
        return found if value < _SMALLEST_P else f"= {found}"

    def bare_p_value(self, value: float) -> str:
        """Return "0.0123", or "< 0.0001" for what is smaller, as a table has it."""
        return f"< {self.decimal(_SMALLEST_P, 4)}" if value < _SMALLEST_P else self.decimal(value, 4)

    def date(self, created: str) -> str:
        """Return the day of an ISO 8601 time; what an edited file gives in its place is shown as it is."""
        from babel.dates import format_date

        from onnxmint.report.names import visible

        try:
            day = dt.datetime.fromisoformat(created).date()
        except ValueError:
            return visible(created)
        return format_date(day, "long", locale=self.locale)

    def listed(self, words: list[str]) -> str:
        """Return words as a list in a sentence: a, b and c."""
        from babel.lists import format_list

        return format_list(words, locale=self.locale)


def _decimals(value: float) -> int:
    """Return how many decimals a number has among its first six figures."""
    written = f"{value:g}"
    return 3 if "e-" in written else len(written.partition(".")[2])


@functools.cache
def language(code: LanguageName) -> Language:
    """Return a language."""
    from babel import Locale

    locale = Locale.parse(_LOCALES.get(code, code))
    return Language(code=code, translations=None if code == "en" else _translations(code), locale=locale)


def _translations(code: LanguageName) -> Any:
    """Return the catalogue of a language as gettext's translations."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po
    from babel.support import Translations

    compiled = io.BytesIO()
    with (WORDS / f"{code}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return Translations(compiled)
