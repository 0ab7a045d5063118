"""Which number a class name has: one meaning for every set of images of an audit, however it was found."""

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.foreign import ForeignError, parse_json, read_content
from onnxmint.images.spelling import plain, spelt

Order = Literal["given", "declared", "numbers", "from one", "alphabet", "as text", "background first"]
LARGEST_LABEL = (1 << 63) - 1  # what 64 bits hold
_LONGEST = 40  # letters of a name in a message
_MOST_NAMES = 16 << 20  # bytes of a file of names


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """Class names with the number of each: the place of its score in the target's answer.

    Attributes:
        names: (k,) all different, in ascending order of their numbers.
        numbers: (k,) all different; not every number needs a name.
        order: how the numbers were found: "given" by the user or an auditor, "declared" by the file that holds the
            images or the model, "numbers" the names themselves, "from one" these less one, "alphabet", "as text" names
            that are numbers in alphabetical order (0, 1, 10, 11, 2), "background first" the alphabet plus one.

    Raises:
        ValueError: a name or a number comes twice.
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    order: Order

    def __post_init__(self) -> None:
        """Refuse what is no numbering."""
        if len(self.names) != len(self.numbers) or len(set(self.names)) != len(self.names):
            raise ValueError(f"every class needs a name of its own, got {len(set(self.names))} for {len(self.numbers)}")
        if any(low >= high for low, high in pairwise(self.numbers)):
            raise ValueError("numbers of classes must ascend")

    def by_name(self) -> dict[str, int]:
        """Return the number of each name."""
        return dict(zip(self.names, self.numbers, strict=True))


def numbering_of(numbers: Mapping[str, int], order: Order) -> Numbering:
    """Return the numbering in which each name has its number."""
    numbers = {spelt(name): number for name, number in numbers.items()}
    names = sorted(numbers, key=lambda name: numbers[name])
    return Numbering(names=tuple(names), numbers=tuple(numbers[name] for name in names), order=order)


def in_order(names: Iterable[str], order: Order = "given") -> Numbering:
    """Return the numbering of names from 0 on."""
    listed = tuple(spelt(name) for name in names)
    return Numbering(names=listed, numbers=tuple(range(len(listed))), order=order)


def numbered_as_folders(names: Iterable[str]) -> Numbering:
    """Return the numbering of class folders: their own numbers when all are numbers, else alphabetical order.

    Raises:
        ValueError: a number that no model can have.
    """
    found = sorted({spelt(name) for name in names})
    numbers = {name: int(name) for name in found} if all(name.isdecimal() for name in found) else {}
    if numbers and len(set(numbers.values())) == len(found):
        require_number(max(numbers.values()))
        return numbering_of(numbers, "numbers")
    return in_order(found, "alphabet")


def require_number(number: int) -> int:
    """Return a class number.

    Raises:
        ValueError: no target can have an output of that number.
    """
    if not -LARGEST_LABEL <= number <= LARGEST_LABEL:
        raise ValueError(
            f"holds label {_shown(str(number))}, and no target has so many outputs: renumber the labels, or use "
            "--no-labels"
        )
    return number


def number_by(names: Iterable[str], known: Numbering, place: str) -> dict[str, int]:
    """Return the number that each class name of a place has among known ones, whichever of them are there.

    Raises:
        ImagesError: a name that is not known, with the nearest that are.
    """
    numbers, values = known.by_name(), by_value(known)
    found: dict[str, int] = {}
    for name in names:
        number = numbers.get(spelt(name))
        if number is None and name.isdecimal():
            number = values.get(int(name))  # 07 and 7
        if number is None and name.isdecimal() and not any(one.isdecimal() for one in known.names):
            number = int(name) if int(name) in known.numbers else None  # among names, a number can only be an output
        if number is None:
            raise ImagesError(
                f"{place} has the class {_shown(name)!r}, which the known classes lack{_nearest(name, known)}: rename "
                "it, or give the classes in order with --classes FILE when an auditor is trained"
            )
        found[name] = number
    return found


def by_value(known: Numbering) -> dict[int, int]:
    """Return the number by the value of each name, where all names are numbers and mean different ones."""
    if not all(name.isdecimal() for name in known.names):
        return {}
    found = {int(name): number for name, number in zip(known.names, known.numbers, strict=True)}
    return found if len(found) == len(known.names) else {}


def _nearest(name: str, known: Numbering) -> str:
    near = difflib.get_close_matches(name, known.names, n=3, cutoff=0.5)
    listed = ", ".join(repr(_shown(one)) for one in near or known.names[:3])
    return f" ({'closest' if near else 'they are'}: {listed}{'' if near else ' ...'})"


def of_same_values(numberings: Iterable[Numbering]) -> Numbering:
    """Return the numbering of folders that are numbers in every place, by their values: 07 in one is 7 in another."""
    names: dict[int, str] = {}
    for one in numberings:
        names = dict(zip(one.numbers, one.names, strict=True)) | names
    return numbering_of({name: number for number, name in names.items()}, "numbers")


def settled(numbering: Numbering, outputs: int) -> Numbering:
    """Return the only reading of class folders that are numbers for a target of so many outputs.

    Folders of which none is 0 and one is the number of outputs count from one: the last has no output else.
    """
    if numbering.order != "numbers" or numbering.numbers[0] < 1 or numbering.numbers[-1] != outputs:
        return numbering
    return _moved(numbering, -1, "from one")


def orders(names: Iterable[str], outputs: int) -> tuple[Numbering, ...]:
    """Return the orders in which a target of so many outputs may have learned class names, likeliest first.

    Those that name an output it does not have are left out, and those that equal an earlier one.
    """
    found = numbered_as_folders(names)
    text = in_order(sorted(found.names), "as text" if found.order == "numbers" else "alphabet")
    tried = [found, _moved(found, -1, "from one")] if found.order == "numbers" else []
    tried += [text, _moved(text, 1, "background first")]
    kept: dict[tuple[tuple[str, ...], tuple[int, ...]], Numbering] = {}
    for one in tried:
        if one.numbers[0] >= 0 and one.numbers[-1] < outputs:
            kept.setdefault((one.names, one.numbers), one)
    return tuple(kept.values())


def _moved(numbering: Numbering, by: int, order: Order) -> Numbering:
    return Numbering(names=numbering.names, numbers=tuple(one + by for one in numbering.numbers), order=order)


def read_names(path: Path) -> Numbering:
    """Return the classes that a file names in the order of the target's outputs, one a line.

    A JSON file may hold a list of names, or say `id2label` or `label2id` as Hugging Face's config.json does.

    Raises:
        UsageError: it cannot be read, or a name is missing or comes twice.
    """
    start = f"--classes {path}:"
    try:
        content = read_content(path, _MOST_NAMES)
        if path.suffix.lower() == ".json":
            return _given_in_json(content)
        lines = content.decode("utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{start} is no text in UTF-8; write one class name a line") from None
    except ForeignError as problem:
        raise UsageError(f"{start} {problem}") from None
    place: dict[str, int] = {}
    for number, line in enumerate(lines):
        name = spelt(line.strip())
        if not name:
            raise UsageError(f"{start} line {number + 1} is empty; write one class name a line, from output 0 on")
        if name in place:
            raise UsageError(f"{start} {_shown(name)!r} stands in lines {place[name] + 1} and {number + 1}")
        place[name] = number
    if not place:
        raise UsageError(f"{start} is empty; write one class name a line, from output 0 on")
    return numbering_of(place, "given")


def _given_in_json(content: bytes) -> Numbering:
    value, place = _inside(parse_json(content)), dict[str, int]()
    for number, name in _pairs(value) if isinstance(value, list) else ():
        if name in place:
            raise ForeignError(
                f"{_shown(name)!r} is the name of outputs {place[name]} and {number}; give each a name of its own"
            )
        place[name] = number
    found = names_said(value)
    if found is None:
        raise ForeignError("names no classes; expected a list of names, id2label or label2id")
    return numbering_of(found.by_name(), "given")


def names_file(numbering: Numbering, outputs: int, *, as_json: bool = False) -> str:
    """Return the file that gives a numbering to --classes; outputs that have no name get one that no class has.

    Raises:
        UsageError: a name is no line of a text.
    """
    names = dict(zip(numbering.numbers, numbering.names, strict=True))
    listed = [names.get(number, f"(output {number})") for number in range(outputs)]
    if as_json:
        return json.dumps(listed, indent=1) + "\n"
    for name in listed:
        if name.splitlines() != [name] or name != name.strip() or not _is_text(name):
            raise UsageError(f"the class {_shown(name)!r} is no line of text: write a JSON file, NAME.json")
    return "".join(f"{name}\n" for name in listed)


def _is_text(name: str) -> bool:
    """Return whether a name can be written; of a folder it may hold bytes that are no UTF-8."""
    return name.encode("utf-8", "replace").decode() == name


def names_said(value: Any) -> Numbering | None:
    """Return the class names that a list says, or a table as Hugging Face and Ultralytics write them; None if none.

    A name that two outputs have (ImageNet has two kinds of crane) tells neither and is left out.
    """
    pairs = _pairs(_inside(value))
    often = Counter(name for _, name in pairs)
    numbers = {name: number for number, name in pairs if often[name] == 1}
    if not numbers or len(set(numbers.values())) != len(numbers) or not min(numbers.values()) >= 0:
        return None
    return numbering_of(numbers, "declared")


def _inside(value: Any) -> Any:
    """Return the list or table of names in what a file says, which may be all of it."""
    if isinstance(value, dict):
        for key in ("id2label", "label2id", "names"):
            if isinstance(value.get(key), (dict, list)):
                return _inside(value[key])
    return value


def _pairs(value: Any) -> list[tuple[int, str]]:
    """Return (number, name) of a list of names, or of a table from either to the other; empty for anything else."""
    if isinstance(value, list):
        return [(n, spelt(name)) for n, name in enumerate(value)] if all(isinstance(one, str) for one in value) else []
    if not isinstance(value, dict):
        return []
    if all(isinstance(name, str) and (number := _number(key)) is not None for key, name in value.items()):
        return [(number, spelt(name)) for key, name in value.items() if (number := _number(key)) is not None]
    if all(isinstance(key, str) and type(number) is int for key, number in value.items()):
        return [(number, spelt(key)) for key, number in value.items() if abs(number) <= LARGEST_LABEL]
    return []


def _number(key: Any) -> int | None:
    """Return the number that a key is or writes."""
    if type(key) is int:
        return key
    return int(key) if isinstance(key, str) and key.isdecimal() and len(key) < len(str(LARGEST_LABEL)) else None


def matched(names: Iterable[str], declared: Numbering) -> Numbering | None:
    """Return class names numbered as a model declares them, None unless it declares every one.

    Names are compared as they are, then without regard to case, blanks, underscores and what follows a comma.
    """
    exact, loose = declared.by_name(), _loosely(declared)
    found: dict[str, int] = {}
    for name in names:
        number = exact.get(name, loose.get(plain(name)))
        if number is None:
            return None
        found[name] = number
    return numbering_of(found, "declared") if found and len(set(found.values())) == len(found) else None


def _loosely(declared: Numbering) -> dict[str, int]:
    bare = [plain(name) for name in declared.names]
    often = Counter(bare)
    return {name: number for name, number in zip(bare, declared.numbers, strict=True) if often[name] == 1}


def _shown(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."
