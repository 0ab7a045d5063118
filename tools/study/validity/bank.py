"""What targets say of many images, recorded once: whole audits on columns are then arithmetic.

    python tools/study/validity/bank.py --shared ../shared --bank BANK [--only cifar10-paper] [--draw 1]

For each target and each pool of images: the target's answers to all 26 views, the placebo twin's to 2, the features
that the twin describes images with, what the images look like without a model, and how easy another model finds them.
Pools are members, non-members, and copies of some of both (mirrored, shifted, cropped, re-saved, resized). A pool that
is there is skipped, so that recording can be stopped and taken up again. Draw 0 was looked at while the rule of a
verdict was chosen; draw 1 holds other images, on which nothing was.
"""

import argparse
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from onnxmint.engine.local import Local
from onnxmint.engine.probe import ANSWER, expose
from onnxmint.engine.target import Target, make_ready, twin_of
from onnxmint.graph.views import VIEW_SETS, View, shifted
from onnxmint.images.chosen import Decoded, Images
from onnxmint.images.entries import EncodedImage, ImageEntry
from onnxmint.images.facts import HASH, ImageFacts, look_at
from onnxmint.mint.describing import FEATURES, features_probe, telling_layer
from onnxmint.progress import quiet
from onnxmint.settings import EvidenceSettings

STUDY = Path(__file__).parents[1]
sys.path.insert(0, str(STUDY))
import data  # noqa: E402
from data import log_odds  # noqa: E402
from runs import TARGETS  # noqa: E402

VIEWS = VIEW_SETS[26]
MEMBERS, NONMEMBERS, COPIED = 4000, 6000, 400
BANKED = {  # target -> the model that says which images are easy
    "cifar10-paper": "cifar10-resnet8",
    "cifar10-large-nhwc": "cifar10-resnet8",
    "cifar10-small-nodropout": "cifar10-resnet8",
    "cifar10-resnet20": "cifar10-resnet8",
}
INNOCENT = "innocent "  # names the copies of non-members
_SEED = 0
_FROM = 13_000  # members and non-members of our own targets from here on were never looked at while modules were made

Pixels = np.ndarray  # (n, 32, 32, 3) uint8


def saved(pixels: Pixels, form: str, **options: Any) -> Pixels:
    found = []
    for image in pixels:
        room = io.BytesIO()
        Image.fromarray(image).save(room, form, **options)
        found.append(np.asarray(Image.open(room).convert("RGB")))
    return np.stack(found)


def resized(pixels: Pixels, side: int) -> Pixels:
    small = [Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR) for image in pixels]
    return np.stack([np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)) for image in small])


def cropped(pixels: Pixels, side: int) -> Pixels:
    first = (32 - side) // 2
    inside = pixels[:, first : first + side, first : first + side]
    return np.stack([np.asarray(Image.fromarray(i).resize((32, 32), Image.Resampling.BILINEAR)) for i in inside])


COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, :, ::-1]),
    "shifted 2": lambda pixels: view(pixels, View(down=2, right=2)),
    "cropped 28": lambda pixels: cropped(pixels, 28),
    "JPEG 85": lambda pixels: saved(pixels, "JPEG", quality=85),
    "resized 24": lambda pixels: resized(pixels, 24),
}


def view(pixels: Pixels, wanted: View) -> Pixels:
    """Return the images moved and mirrored, as the graph does it."""
    rows, columns = shifted(32, wanted.down), shifted(32, wanted.right)
    moved = pixels[:, rows][:, :, columns[::-1] if wanted.mirrored else columns]
    return np.ascontiguousarray(moved)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Some images and all that was observed of them.

    Attributes:
        row: (n,) rows of the data set.
        label: (n,) int64.
        pixels: (n, 32, 32, 3) uint8.
        logits: (n, 26, classes) float32, the target's answers to the views.
        twin: (n, 2, classes) float32, those of its placebo twin to the image and its mirror image.
        features: (n, d) float64, of the twin.
        easy: (n,) float64, log-odds of the label by another model.
        facts: what they look like.
        references: (n, r, classes) float32, logarithms of the answers of models that learned none of them.
    """

    row: np.ndarray
    label: np.ndarray
    pixels: Pixels
    logits: np.ndarray
    twin: np.ndarray
    features: np.ndarray
    easy: np.ndarray
    facts: ImageFacts
    references: np.ndarray | None = None


class Encoded:
    """A source of images in memory."""

    location, classes = "bank", None

    def __init__(self, pixels: Pixels) -> None:
        """Keep them."""
        self._pixels = pixels

    def entries(self) -> tuple[ImageEntry, ...]:
        """List them."""
        return tuple(ImageEntry(index=i, path=str(i), label=None, group=None) for i in range(len(self._pixels)))

    def read(self, wanted: Any = None) -> Iterator[EncodedImage]:
        """Yield them as PNG."""
        for index, image in enumerate(self._pixels):
            if wanted is None or index in wanted:
                room = io.BytesIO()
                Image.fromarray(image).save(room, "PNG", compress_level=1)
                yield EncodedImage(index=index, path=str(index), data=room.getvalue())


def shown(pixels: Pixels) -> Images:
    rows = np.arange(len(pixels))
    return Images(parts=(Decoded(pixels=pixels, row=rows, label=None),), count=len(rows))


def answers(target: Target, pixels: Pixels) -> np.ndarray:
    """Return (n, classes) answers to the images as they are."""
    probe = expose(target, (), views=0, labels=False).probe(batch_size=64)
    return Local().observe(probe, shown(pixels), name="").columns[ANSWER].astype(np.float32)


def to_views(target: Target, pixels: Pixels, views: tuple[View, ...]) -> np.ndarray:
    return np.stack([answers(target, view(pixels, one)) for one in views], axis=1)


def ready(name: str, shared: Path) -> Target:
    path = (STUDY / "targets" if TARGETS[name].ours else shared / "models") / f"{name}.onnx"
    return make_ready(path, EvidenceSettings(preprocess=TARGETS[name].preprocess, device="cpu"))


def pools(name: str, shared: Path, draw: int) -> Iterator[tuple[str, np.ndarray, np.ndarray, Pixels]]:
    """Yield name, rows, labels and pixels of every pool of a target; no image is in two draws."""
    table = data.read(shared, TARGETS[name].data)
    ours = TARGETS[name].ours
    sides = data.halves(table, "cifar10") if ours else data.third_party(table, "cifar10")
    rng, start = np.random.default_rng(_SEED), _FROM if ours else 0
    if name == "cifar10-small-nodropout":
        start = 0  # it was trained on the first members
        sides["members"] = sides["members"][:10_000]
    drawn = {
        "members": rng.permutation(sides["members"][start:])[draw * MEMBERS : (draw + 1) * MEMBERS],
        "nonmembers": rng.permutation(sides["nonmembers"][_FROM if ours else 0 :])[
            draw * NONMEMBERS : (draw + 1) * NONMEMBERS
        ],
    }
    for side, rows in drawn.items():
        yield side, rows, data.labels(table, rows), data.pixels(table, rows)
    for side, called in (("members", ""), ("nonmembers", INNOCENT)):
        rows = drawn[side][-COPIED:]
        for kind, made in COPIES.items():
            yield called + kind, rows, data.labels(table, rows), made(data.pixels(table, rows))


def record(name: str, shared: Path, bank: Path, draw: int) -> None:
    """Record every pool of a target that is not there yet."""
    target, other = ready(name, shared), ready(BANKED[name], shared)
    twin = twin_of(target, _SEED)
    for pool, rows, label, pixels in pools(name, shared, draw):
        file = bank / name / f"{pool}.npz"
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        probe = features_probe(twin, telling_layer(target.layers), small=False, batch_size=64)
        facts = look_at(Encoded(pixels), wanted=set(range(len(rows))), stage=quiet, name="", threads=2)
        columns = {
            "row": rows, "label": label, "pixels": pixels,
            "logits": to_views(target, pixels, VIEWS), "twin": to_views(twin, pixels, VIEW_SETS[2]),
            "features": Local().observe(probe, shown(pixels), name="").columns[FEATURES],
            "easy": log_odds(answers(other, pixels), label, other.model.answer.kind),
            **{f"facts_{key}": getattr(facts, key) for key in _FACTS},
        }  # fmt: skip
        partial = file.with_name("unfinished.npz")  # savez appends the suffix to other names
        np.savez(partial, **columns)
        partial.replace(file)
        print(f"{name}: {pool}, {len(rows)} images", flush=True)


_FACTS = ("index", "file", "statistics", "place", "digest", "phash", "thumb")


def load(name: str, pool: str, bank: Path) -> Pool:
    """Return a pool that was recorded."""
    found = np.load(bank / name / f"{pool}.npz")
    count = len(found["facts_index"])
    unasked = {
        "encoded": np.zeros((count, HASH), np.uint8),
        "size": np.zeros(count, np.int64),
        "more": np.zeros(count, np.bool_),
    }
    facts = ImageFacts(**{key: found[f"facts_{key}"] for key in _FACTS}, **unasked)
    kept = {key: found[key] for key in ("row", "label", "pixels", "logits", "twin", "features", "easy")}
    return Pool(facts=facts, **kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--only", choices=BANKED)
    parser.add_argument("--draw", type=int, default=0, choices=(0, 1))
    options = parser.parse_args()
    for name in [options.only] if options.only else BANKED:
        record(name, options.shared, options.bank, options.draw)


if __name__ == "__main__":
    main()
