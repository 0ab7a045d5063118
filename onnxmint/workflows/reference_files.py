"""A step of making references: their files, each whole or not there, and told by what is written in it."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from onnxmint.errors import UsageError
from onnxmint.graph.serial import serialize
from onnxmint.methods.references import MEMBERS, OTHERS
from onnxmint.results.references import MadeReference
from onnxmint.writing.files import (
    atomic_write,
    cannot_write,
    make_folder,
    require_writable,
    sync_folder,
    write_whole,
)
from onnxmint.writing.inputs import Inputs, refuse_inputs, refuse_neighbours
from onnxmint.writing.leftovers import clear, let_rename, temporary_file
from onnxmint.writing.regular import regular_bytes, require_regular

KEY = "onnxmint.reference"
"""In the metadata of a reference: how it was made, and how right it is."""

Recipe = Mapping[str, str | int | None]
"""All that a reference depends on, by words that a user knows; the same recipe gives the same reference."""

_SHOWN = 40  # letters of a value in a message
_LONGEST = 1 << 30  # bytes of a list of members
_TOML = ".toml"
_ELSEWHERE = "choose another folder with -o"
_REPLACE = "or replace what is there with --overwrite"


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the metadata of a reference."""

    recipe: dict[str, str | int | None]
    facts: MadeReference
    beside: dict[str, str] = {}  # the end of each file's name that belongs to it, and a hash of that file


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFolder:
    """A folder that references are written into, one by one.

    Attributes:
        place: where it is.
        recipe: of all that is written now.
        images: names of all that references may have learned from.
        toml: how images are prepared for them, where not as for the target.
        overwrite: whether references that are there are made again, of whatever recipe they are.
    """

    place: Path
    recipe: Recipe
    images: Collection[str]
    overwrite: bool
    toml: str | None = None

    def require_free(self, names: Sequence[str], inputs: Inputs) -> None:
        """Look, before anything long begins, whether references can be written under these names.

        Raises:
            UsageError: a file there is read, was not made by onnxmint, or is of another recipe.
            OnnxmintError: the folder cannot be written.
        """
        if self.place.exists() and not self.place.is_dir():
            raise UsageError(f"{self.place} is a file, and references are a folder: choose another name with -o")
        for name in names:
            self._require_name(name, inputs)
        refuse_neighbours(self.place, ".onnx", inputs(), "which --reference would take for a reference")
        if not self.overwrite:
            for path in self._others(names):
                self._require_own(path)
        require_writable(self.place)
        make_folder(self.place)
        clear(self.place)
        if self.overwrite:
            self._remove_others(names)

    def _require_name(self, name: str, inputs: Inputs) -> None:
        """Refuse a name under which something stands that is read, or is not to be replaced."""
        for path in self._files(name):
            if path.exists():
                refuse_inputs(path, inputs())
                if not path.is_file():
                    raise UsageError(f"{path} is no regular file, and is not replaced by one; {_ELSEWHERE}")
        if self.file(name).exists():
            self._require_own(self.file(name))
        elif not self.overwrite:
            self._require_nobodys(name)

    def there(self, name: str) -> MadeReference | None:
        """Return what is known of a reference of this recipe that is there, whole, and to be kept; else None."""
        told = _told(self.file(name)) if self.file(name).exists() and not self.overwrite else None
        if told is None or told.recipe != dict(self.recipe):
            return None
        if not all(self._beside(name, end).exists() for end in (MEMBERS, *told.beside)):
            return None
        return replace(told.facts, kept=True)

    def write(self, name: str, model: ir.Model, members: str, facts: MadeReference) -> None:
        """Write a reference and what belongs to it; the model last, so that it is whole where it is there.

        Args:
            name: of its files.
            model: the reference; its metadata is added to.
            members: text of its list of members.
            facts: how right it is.

        Raises:
            OnnxmintError: it cannot be written.
        """
        texts = {MEMBERS: members} | ({} if self.toml is None else {_TOML: self.toml})
        beside = {end: _hash(text.encode()) for end, text in texts.items()}
        told = msgspec.to_builtins(_Told(recipe=dict(self.recipe), facts=facts, beside=beside))
        model.metadata_props[KEY] = json.dumps(told, sort_keys=True)
        path = self.file(name)
        try:
            with temporary_file(self.place) as (temporary, file):
                write_whole(file, serialize(model))
                path.unlink(missing_ok=True)  # what belongs to this one must never lie beside another
                self._beside(name, _TOML).unlink(missing_ok=True)
                for end, text in texts.items():
                    atomic_write(self._beside(name, end), text.encode())
                let_rename(file)
                temporary.replace(path)
            sync_folder(self.place)
        except OSError as problem:
            raise cannot_write(path, problem) from None

    def file(self, name: str) -> Path:
        """Return where the model of a reference is."""
        return self._files(name)[0]

    def _files(self, name: str) -> tuple[Path, Path, Path]:
        """Return where model, list of members and preprocessing of a reference are."""
        return self._beside(name, ".onnx"), self._beside(name, MEMBERS), self._beside(name, _TOML)

    def _beside(self, name: str, end: str) -> Path:
        return self.place / f"{name}{end}"

    def _require_own(self, path: Path) -> None:
        told = _told(path)
        if told is None:
            raise UsageError(f"{path} is there already and was not made by onnxmint references: {_ELSEWHERE}")
        if self.overwrite:
            return
        for key, value in self.recipe.items():
            if (old := told.recipe.get(key)) != value:
                raise UsageError(
                    f"{path} was made otherwise ({key}: {str(old)[:_SHOWN]}, now {str(value)[:_SHOWN]}): {_ELSEWHERE}, "
                    f"{_REPLACE}"
                )
        for end, digest in told.beside.items():
            one = self._beside(path.stem, end)
            if one.exists() and _hash(_content(one)) != digest:
                raise UsageError(f"{one} was changed since {path.name} was made: {_ELSEWHERE}, {_REPLACE}")

    def _require_nobodys(self, name: str) -> None:
        """Refuse files of a user under the names of what belongs to a reference; what a killed run left is its own."""
        listing, declared = self._beside(name, MEMBERS), self._beside(name, _TOML)
        own = {OTHERS, *self.images}
        lines = _content(listing).decode("utf-8", "replace").splitlines() if listing.exists() else ()
        strange = [listing] if not own.issuperset(lines) else []
        if declared.exists() and (self.toml is None or _content(declared) != self.toml.encode()):
            strange.append(declared)
        if strange:
            raise UsageError(
                f"{strange[0]} is there already and was not made by onnxmint references: {_ELSEWHERE}, {_REPLACE}"
            )

    def _remove_others(self, names: Sequence[str]) -> None:
        """Remove what was made here by another recipe: of fewer references none may be left of more."""
        for path in self._others(names):
            for one in self._files(path.stem):
                one.unlink(missing_ok=True)

    def _others(self, names: Sequence[str]) -> Iterator[Path]:
        """Yield references that were made here in the same way under other names."""
        for path in sorted(self.place.glob("*.onnx")):
            told = _told(path) if path.stem not in names else None
            if told is not None and told.recipe.get("way") == self.recipe.get("way"):
                yield path


def _told(path: Path) -> _Told | None:
    """Return what a file says of how it was made; None of one that onnxmint did not make, or that is not whole."""
    try:
        require_regular(path, links=True)
        proto = onnx.load(str(path), load_external_data=False)
        text = next((one.value for one in proto.metadata_props if one.key == KEY), None)
        return None if text is None else msgspec.json.decode(text, type=_Told)
    except (OSError, ValueError, DecodeError, msgspec.DecodeError):
        return None


def _content(path: Path) -> bytes:
    """Return what a file beside a reference holds.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return regular_bytes(path, most=_LONGEST, links=True)
    except (OSError, ValueError) as problem:
        raise UsageError(f"cannot read {path} ({problem}): {_ELSEWHERE}") from None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def listed(names: Iterable[str], *first: str) -> str:
    """Return the text of a list of members, one a line, behind what stands first."""
    return "".join(f"{one}\n" for one in (*first, *names))


def digest_of(names: Sequence[str], labels: Sequence[int]) -> str:
    """Return a hash of images by their names and classes."""
    return _hash(json.dumps([list(names), list(labels)]).encode())
