"""A step of making references: their files, each whole or not there, and told by what is written in it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from onnxmint.errors import UsageError
from onnxmint.graph.serial import serialize
from onnxmint.methods.references import MEMBERS
from onnxmint.results.references import MadeReference
from onnxmint.writing.files import atomic_write, make_folder, require_writable
from onnxmint.writing.inputs import Inputs, refuse_inputs
from onnxmint.writing.leftovers import clear

KEY = "onnxmint.reference"
"""In the metadata of a reference: how it was made, and how right it is."""

Recipe = Mapping[str, str | int | None]
"""All that a reference depends on, by words that a user knows; the same recipe gives the same reference."""

_SHOWN = 40  # letters of a value in a message


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the metadata of a reference."""

    recipe: dict[str, str | int | None]
    facts: MadeReference


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFolder:
    """A folder that references are written into, one by one.

    Attributes:
        place: where it is.
        recipe: of all that is written now.
        overwrite: whether references that are there are made again, of whatever recipe they are.
    """

    place: Path
    recipe: Recipe
    overwrite: bool

    def require_free(self, names: Sequence[str], inputs: Inputs) -> None:
        """Look, before anything long begins, whether references can be written under these names.

        Raises:
            UsageError: a file there is read, was not made by onnxmint, or is of another recipe.
            OnnxmintError: the folder cannot be written.
        """
        if self.place.exists() and not self.place.is_dir():
            raise UsageError(f"{self.place} is a file, and references are a folder: choose another name with -o")
        for name in names:
            for path in self._files(name):
                if path.exists():
                    refuse_inputs(path, inputs())
            if self.file(name).exists():
                self._require_own(self.file(name))
        require_writable(self.place)
        make_folder(self.place)
        clear(self.place)
        if self.overwrite:
            self._remove_others(names)

    def there(self, name: str) -> MadeReference | None:
        """Return what is known of a reference of this recipe that is there, whole, and to be kept; else None."""
        told = _told(self.file(name)) if self.file(name).exists() and not self.overwrite else None
        if told is None or told.recipe != dict(self.recipe):
            return None
        return replace(told.facts, kept=True)

    def write(self, name: str, model: ir.Model, members: str, facts: MadeReference, toml: str | None) -> None:
        """Write a reference and what belongs to it; the model last, so that it is whole where it is there.

        Args:
            name: of its files.
            model: the reference; its metadata is added to.
            members: text of its list of members.
            facts: how right it is.
            toml: how its images are prepared; None where they are as the target's.

        Raises:
            OnnxmintError: it cannot be written.
        """
        told = msgspec.to_builtins(_Told(recipe=dict(self.recipe), facts=facts))
        model.metadata_props[KEY] = json.dumps(told, sort_keys=True)
        path, listing, declared = self._files(name)
        if toml is None:
            declared.unlink(missing_ok=True)
        else:
            atomic_write(declared, toml.encode())
        atomic_write(listing, members.encode())
        atomic_write(path, serialize(model))

    def file(self, name: str) -> Path:
        """Return where the model of a reference is."""
        return self._files(name)[0]

    def _files(self, name: str) -> tuple[Path, Path, Path]:
        """Return where model, list of members and preprocessing of a reference are."""
        return self.place / f"{name}.onnx", self.place / f"{name}{MEMBERS}", self.place / f"{name}.toml"

    def _require_own(self, path: Path) -> None:
        told = _told(path)
        if told is None:
            raise UsageError(
                f"{path} is there already and was not made by onnxmint references: choose another folder with -o"
            )
        if self.overwrite:
            return
        for key, value in self.recipe.items():
            if (old := told.recipe.get(key)) != value:
                raise UsageError(
                    f"{path} was made otherwise ({key}: {str(old)[:_SHOWN]}, now {str(value)[:_SHOWN]}): choose "
                    "another folder with -o, or replace what is there with --overwrite"
                )

    def _remove_others(self, names: Sequence[str]) -> None:
        """Remove what was made here by another recipe: of fewer references none may be left of more."""
        for path in self.place.glob("*.onnx"):
            told = _told(path)
            same = told is not None and told.recipe.get("way") == self.recipe.get("way")
            if same and path.stem not in names:
                for one in self._files(path.stem):
                    one.unlink(missing_ok=True)


def _told(path: Path) -> _Told | None:
    """Return what a file says of how it was made; None of one that onnxmint did not make, or that is not whole."""
    try:
        proto = onnx.load(str(path), load_external_data=False)
        text = next((one.value for one in proto.metadata_props if one.key == KEY), None)
        return None if text is None else msgspec.json.decode(text, type=_Told)
    except (OSError, DecodeError, msgspec.DecodeError):
        return None


def listed(names: Iterable[str], *first: str) -> str:
    """Return the text of a list of members, one a line, behind what stands first."""
    return "".join(f"{one}\n" for one in (*first, *names))


def digest_of(names: Sequence[str], labels: Sequence[int]) -> str:
    """Return a hash of images by their names and classes."""
    return hashlib.sha256(json.dumps([list(names), list(labels)]).encode()).hexdigest()[:16]
