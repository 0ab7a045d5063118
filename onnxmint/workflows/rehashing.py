"""A step of a check: the files that a run was made of are still the ones that it names."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onnxmint.errors import OnnxmintError
from onnxmint.graph.bringing import brought
from onnxmint.graph.load import load_target
from onnxmint.images.entries import ImageSource
from onnxmint.images.labelled import only_labelled
from onnxmint.images.sources import open_source
from onnxmint.places.words import local_path, uri_of
from onnxmint.progress import Stage
from onnxmint.results.listed import ListFacts, list_facts
from onnxmint.results.manifest import Manifest
from onnxmint.results.verification import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the inputs of a run are now; None takes what its command names, if that is there."""

    model: Path | None = None
    images: tuple[str, ...] = ()
    members: str | None = None
    nonmembers: str | None = None
    sealed: Path | None = None
    after: Path | None = None
    forget: str | None = None

    def of(self, name: str, manifest: Manifest) -> tuple[str, ...]:
        """Return the places of an input, none where nobody says where it is."""
        given = getattr(self, name)
        if given:
            return given if isinstance(given, tuple) else (str(given),)
        folder, named = (json.loads(manifest.command.get(word, "null")) for word in ("folder", name))
        words = [named] if isinstance(named, str) else named if isinstance(named, list) else []
        return tuple(_from(folder, one) for one in map(str, words))


def _from(folder: object, place: str) -> str:
    """Return a place that was named in a folder."""
    return str(Path(folder) / place) if isinstance(folder, str) and uri_of(place) is None else place


def may_be_there(model: str) -> bool:
    """Say whether a model is there; of one in a store that is said when it is fetched."""
    return uri_of(model) is not None or Path(local_path(model)).is_file()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One input: what was found of it, or why nothing could be."""

    text: str
    wrong: bool = False
    done: bool = True


def look_again(manifest: Manifest, places: Places, stage: Stage) -> Step:
    """Hash the model and all images again and compare with what the run names."""
    parts = [model_again(manifest, places), *_second(manifest, places), *_lists(manifest, places, stage)]
    wrong = tuple(part.text for part in parts if part.wrong)
    missing = [part.text for part in parts if not part.done]
    if wrong:
        return Step(name="inputs", outcome="failed", text="inputs are others than the run names", differences=wrong)
    if missing:
        text = f"cannot check: {'; '.join(missing)}"
        return Step(name="inputs", outcome="not done", text=text, differences=())
    return Step(name="inputs", outcome="passed", text="; ".join(part.text for part in parts))


def model_again(manifest: Manifest, places: Places) -> Part:
    """Say whether the model is the one that the run names."""
    return _same_model(places.of("model", manifest), manifest, "the model", "--model", manifest.target_sha256)


def _second(manifest: Manifest, places: Places) -> Iterator[Part]:
    """Yield what became of the second model of a comparison."""
    if manifest.kind == "comparison":
        for sha256 in manifest.references:
            yield _same_model(places.of("after", manifest), manifest, "the second model", "--after", sha256)


def _same_model(found: Sequence[str], manifest: Manifest, words: str, option: str, sha256: str) -> Part:
    if not found or not may_be_there(found[0]):
        return Part(text=f"{words} is not there ({option})", done=False)
    try:
        with brought(found[0]) as path:
            digest = load_target(path, answer=word_of(manifest, "answer")).sha256
    except OnnxmintError as problem:
        return Part(text=f"{words}: {problem}", wrong=True)
    if digest != sha256:
        return Part(text=f"{words} {found[0]} has SHA-256 {digest}, not {sha256}", wrong=True)
    return Part(text=f"{words} is the same")


def word_of(manifest: Manifest, name: str) -> str | None:
    """Return a word of a run's command, None where it was not given."""
    found = json.loads(manifest.command.get(name, "null"))
    return found if isinstance(found, str) else None


def _lists(manifest: Manifest, places: Places, stage: Stage) -> Iterator[Part]:
    """Yield what became of each set of images that the run read."""
    some = manifest.kind in ("evaluation", "comparison")
    drawn = some and not {"limit", "time"}.isdisjoint(manifest.command)
    for name, words, listed in (
        ("images", "questioned images", manifest.questioned),
        ("members", "known members", manifest.members),
        ("nonmembers", "known non-members", manifest.nonmembers),
    ):
        found = places.of(name, manifest)
        if name == "members" and manifest.kind == "comparison":
            found = (*places.of("forget", manifest), *found)  # both were trained on
        if listed is None:
            if found:
                yield Part(text=f"the run does not list the {words}", done=False)
        elif not found:
            yield Part(text=f"the run does not say where the {words} are (--{name})", done=False)
        elif drawn:
            yield Part(text=f"of the {words} a part was drawn (--limit, --time), and only it was read", done=False)
        else:
            yield _list(found, f"the {words}", listed, stage)


def _list(found: Sequence[str], words: str, expected: ListFacts, stage: Stage) -> Part:
    try:
        now = hashed(found, stage, words)
    except OnnxmintError as problem:
        return Part(text=f"{words} cannot be read ({str(problem).partition(';')[0]})", done=False)
    if now != expected and now.images > expected.images:
        now = _labelled(found, now, stage, words)
    if now == expected:
        return Part(text=f"{words} are the same {now.images:,} files")
    return Part(
        text=f"{words} are {now.images:,} files of {now.bytes:,} bytes with hash {now.sha256[:16]}..., not "
        f"{expected.images:,} of {expected.bytes:,} with {expected.sha256[:16]}...",
        wrong=True,
    )


def _labelled(places: Sequence[str], every: ListFacts, stage: Stage, words: str) -> ListFacts:
    """Return which files have labels, which are all that an audit takes where few have none."""
    try:
        (source,) = only_labelled([open_source(places)])
        return hashed_source(source, stage, words)
    except OnnxmintError:
        return every


def hashed(places: Sequence[str], stage: Stage, name: str) -> ListFacts:
    """Return which files are in some places.

    Args:
        places: of one set of images.
        stage: told of the progress.
        name: what the progress is called.
    """
    return hashed_source(open_source(places, labels=False), stage, name)


def hashed_source(source: ImageSource, stage: Stage, name: str) -> ListFacts:
    """Return which files are in a source."""
    wanted = {entry.index for entry in source.entries()}
    digests, sizes = list[bytes](), list[int]()
    with stage(f"{name}, hashed", len(wanted)) as advance:
        for image in source.read(wanted):
            advance(1)
            if image.data:
                digests.append(hashlib.sha256(image.data).digest())
                sizes.append(len(image.data))
    encoded = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, hashlib.sha256().digest_size)
    return list_facts(encoded, np.array(sizes, np.int64))
