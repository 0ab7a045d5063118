"""Pictures sealed: one variant of each is published, drawn by a coin that the owner can show later."""

import contextlib
import io
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from onnxmint import __version__
from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.entries import EncodedImage, ImageEntry, ImageSource
from onnxmint.images.pillow import decoded, in_mode, upright
from onnxmint.images.sources import Place, open_source
from onnxmint.images.variants import Change, Pixels, variants_of
from onnxmint.progress import Stage, quiet
from onnxmint.results.facts import Skipped, now
from onnxmint.results.seal import (
    COMMITMENT,
    NAME,
    VARIANTS,
    Seal,
    SealedPicture,
    Sealing,
    canonical,
    commitment_of,
    draw,
    variant_name,
)
from onnxmint.writing.files import cannot_write, make_folder, write_whole
from onnxmint.writing.leftovers import own_folder

MOST_VARIANTS = 16
_UNUSUAL = re.compile(r"[^\w. -]")  # in names of files that are to be published
_GRAY = frozenset({"1", "L"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A picture that was sealed; `psnr` None where its pixels do not lie on those of the picture."""

    picture: SealedPicture
    psnr: float | None


def seal(
    images: Place,
    public: Path,
    private: Path,
    *,
    change: Change,
    variants: int,
    labels: bool = True,
    stage: Stage = quiet,
) -> Sealing:
    """Write one variant of each picture to be published, and what shows later which one and why.

    Args:
        images: the pictures, in any form that an audit reads.
        public: a new folder, of pictures without metadata and the commitment.
        private: a new folder, of the secret and of all variants.
        change: how variants differ.
        variants: of each picture.
        labels: keep the classes of the pictures.
        stage: told of the progress.

    Raises:
        UsageError: a folder is there already, or nothing is drawn among so many variants.
        ImagesError: no picture can be read.
        OnnxmintError: a folder cannot be written.
    """
    _require(public, private, change, variants)
    source = open_source(images, labels=labels)
    nonce = secrets.token_hex(32)
    with _new(private) as kept, _new(public) as shown:
        writer = _Writer(kept, shown, nonce=nonce, change=change, variants=variants)
        with stage("sealing", len(source.entries())) as advance:
            for entry, image in zip(source.entries(), source.read(), strict=True):
                writer.add(image, _label(source, entry))
                advance(1)
        if not writer.made:
            reason = writer.skipped[0].reason if writer.skipped else "there is none"
            raise ImagesError(
                f"no picture of {source.location} could be sealed: {reason}; give pictures that can be read"
            )
        found = Seal(
            version=__version__, created=now(), nonce=nonce, change=change, variants=variants,
            pictures=tuple(one.picture for one in writer.made),
        )  # fmt: skip
        word = commitment_of(found)
        with _told(private):
            (kept / NAME).write_bytes(canonical(found))
            (kept / COMMITMENT).write_text(f"{word}\n")
            (shown / COMMITMENT).write_text(f"{word}\n")
            kept.rename(private)  # first the secret: what is public without it proves nothing
            shown.rename(public)
    psnr = [one.psnr for one in writer.made if one.psnr is not None]
    return Sealing(
        version=__version__, created=found.created, commitment=word, public=str(public), private=str(private),
        pictures=len(writer.made), variants=variants, change=change, psnr=float(np.median(psnr)) if psnr else None,
        skipped=tuple(writer.skipped), notes=source.notes,
    )  # fmt: skip


class _Writer:
    """Writes variants of one picture after the other."""

    def __init__(self, kept: Path, shown: Path, *, nonce: str, change: Change, variants: int) -> None:
        """Write into two folders that are being made."""
        self.made: list[_Made] = []
        self.skipped: list[Skipped] = []
        self._kept, self._shown = kept / VARIANTS, shown
        self._nonce, self._change, self._variants = nonce, change, variants
        self._names: set[str] = set()
        self._kept.mkdir()

    def add(self, image: EncodedImage, label: str | None) -> None:
        """Seal one picture; one that cannot be read is skipped with its reason."""
        if image.data is None:
            self.skipped.append(Skipped(path=image.path, reason=image.error or "is unreadable"))
            return
        try:
            with decoded(image.data, _upright) as picture:
                pixels = np.asarray(picture)
        except ImagesError as problem:
            self.skipped.append(Skipped(path=image.path, reason=str(problem)))
            return
        pixels = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels  # noqa: PLR2004 - gray has two axes
        self.made.append(self._sealed(pixels, _free(_file(image.path, label), self._names), label))

    def _sealed(self, pixels: Pixels, name: str, label: str | None) -> _Made:
        number = len(self.made)
        seed = int.from_bytes(sha256(f"variants {self._nonce} {number}".encode()).digest(), "big")
        digests, sizes = [], []
        for variant, made in enumerate(variants_of(pixels, self._change, self._variants, np.random.default_rng(seed))):
            content = _png(made)
            _write(self._kept / variant_name(number, variant), content)
            digests.append(sha256(content).hexdigest())
            sizes.append(_psnr(pixels, made))
        published = draw(self._nonce, number, digests)
        target = self._shown / name
        make_folder(target.parent)
        _write(target, (self._kept / variant_name(number, published)).read_bytes())
        comparable = not (self._change.crop or self._change.mirror)
        picture = SealedPicture(name=name, label=label, sha256=tuple(digests), published=published)
        return _Made(picture=picture, psnr=sizes[published] if comparable else None)


def _require(public: Path, private: Path, change: Change, variants: int) -> None:
    most = 2 if change == Change(mirror=True) else MOST_VARIANTS
    if not 2 <= variants <= most:  # noqa: PLR2004 - a coin has two sides
        why = " (a mirror image is the only other variant)" if most < MOST_VARIANTS else ""
        raise UsageError(f"--variants must be from 2 to {most}{why}, got {variants}")
    first, second = (Path(os.path.realpath(place)) for place in (public, private))
    if first == second or first in second.parents or second in first.parents:
        raise UsageError(f"{public} and {private} must lie apart: what is kept must never be published with the rest")
    for place, option in ((public, "-o"), (private, "--keep")):
        if os.path.lexists(place):
            raise UsageError(
                f"{place} exists already, and a seal is never written over: name a new folder with {option}"
            )


@contextlib.contextmanager
def _new(place: Path) -> Iterator[Path]:
    """Make a folder beside a place, to be renamed to it; gone if that does not come to pass."""
    make_folder(place.absolute().parent)
    with _told(place), own_folder(place.absolute().parent / f".{place.name}.onnxmint") as beside:
        made = beside / "new"
        made.mkdir()
        yield made


@contextlib.contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise cannot_write(place, problem) from None


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        write_whole(file, content)


def _label(source: ImageSource, entry: ImageEntry) -> str | None:
    """Return the name of a picture's class, its number where it has no name."""
    if entry.label is None:
        return None
    names = {} if source.numbering is None else {number: name for name, number in source.numbering.by_name().items()}
    return names.get(entry.label, str(entry.label))


def _file(path: str, label: str | None) -> str:
    """Return a name to publish under: class and stem, in letters that every system takes."""
    parts: Sequence[str] = (PurePath(path).stem,) if label is None else (label, PurePath(path).stem)
    return "/".join(_UNUSUAL.sub("_", part).strip(". ")[:80] or "_" for part in parts) + ".png"


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no picture has yet, whatever a system thinks of capital letters; it is taken then."""
    found, number = name, 1
    while found.lower() in taken:
        number += 1
        found = f"{name.removesuffix('.png')}-{number}.png"
    taken.add(found.lower())
    return found


def _upright(image: Any) -> Any:
    image = upright(image)
    return in_mode(image, "L" if image.mode in _GRAY else "RGB")


def _png(pixels: Pixels) -> bytes:
    """Return a PNG of pixels and nothing else: no camera, place, time or profile of the picture comes along."""
    from PIL import Image

    room = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(room, "PNG")
    return room.getvalue()


def _psnr(picture: Pixels, variant: Pixels) -> float:
    """Return the peak signal-to-noise ratio in decibels, 0 where the sizes differ."""
    if picture.shape != variant.shape:
        return 0.0
    error = float(((picture.astype(np.float32) - variant) ** 2).mean())
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
