"""What targets and references say of the evidence of the project's goals, recorded once; see `goals.py`."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import data
import numpy as np
import pyarrow.parquet as pq
from runs import SMALL, TARGETS, Run
from study import evidence, model_of

from onnxmint import ReferenceSettings, make_references
from onnxmint.engine.local import Local
from onnxmint.engine.probe import ANSWER, FREE, ODDS, expose
from onnxmint.engine.target import Target, make_ready
from onnxmint.graph.augmentations import Augmentation
from onnxmint.images.chosen import Decoded, Images
from onnxmint.settings import EvidenceSettings

FEATURES, OUTSIDE = "features", 10_000  # a reference that is made here, and the images that it learns from

RETRAINED, _LEFT = ("reference00", "reference01"), 13_000  # of each half, before the evidence begins

Column = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A target, its evidence, and what it is compared with.

    Attributes:
        run: what is drawn, as `study.py` draws it.
        references: which learned none of the evidence.
        retrained: references that are made of images which its evidence leaves over.
        stated: the augmentation of its training and how many views are drawn from it, where it had one.
        wanted: AUC and TPR at 1 % FPR that the project aims at.
    """

    run: Run
    references: tuple[str, ...]
    wanted: tuple[float, float]
    retrained: tuple[str, ...] = ()
    stated: tuple[str, int] | None = None


_BEHIND = 25_000  # images of the training split, of which some references learned
GOALS = {
    "cifar10-paper": Goal(
        run=Run(table="goals", target="cifar10-paper", evidence=10_000, members_from=_LEFT, nonmembers_from=_LEFT),
        references=SMALL,
        retrained=RETRAINED,
        wanted=(0.72, 0.10),
    ),
    "cifar10-large-nhwc": Goal(
        run=Run(
            table="goals", target="cifar10-large-nhwc", evidence=6000, members_from=_BEHIND, nonmembers_to=6000
        ),
        references=("cifar10-paper", *SMALL),
        wanted=(0.76, 0.10),
    ),
    "cifar10-resnet20": Goal(
        run=Run(table="goals", target="cifar10-resnet20", evidence=10_000, members_from=_BEHIND),
        references=("cifar10-paper", *SMALL),
        stated=("crop4-black+mirror", 50),
        wanted=(0.65, 0.04),
    ),
}  # fmt: skip


def shown(target: Target, pixels: Column, label: Column, views: int) -> dict[str, Column]:
    """Return what a target says: (n, classes) answers, (n, V) log-odds of labels and of its own top classes."""
    exposed = expose(target, [], views=views, labels=True)
    columns = {name: exposed.columns[name] for name in (ANSWER, ODDS, FREE)}
    part = Decoded(pixels=pixels, row=np.arange(len(label)), label=label)
    probe = exposed.probe(batch_size=64, columns=columns)
    return dict(Local().observe(probe, Images(parts=(part,), count=len(label)), name="").columns)


def ready(name: str, shared: Path) -> Target:
    settings = EvidenceSettings(preprocess=TARGETS[name].preprocess, device="cpu")
    return make_ready(model_of(name, shared), settings)


def drawn(goal: Goal, shared: Path) -> tuple[Column, Column, Column]:
    """Return pixels, labels and sides of the evidence, members first."""
    with tempfile.TemporaryDirectory() as name:
        evidence(goal.run, shared, Path(name))
        sides = [pq.read_table(Path(name) / f"{side}.parquet") for side in ("members", "nonmembers")]
    rows = [np.arange(len(side)) for side in sides]
    pixels = np.concatenate([data.pixels(side, row) for side, row in zip(sides, rows, strict=True)])
    label = np.concatenate([data.labels(side, row) for side, row in zip(sides, rows, strict=True)])
    return pixels, label, np.arange(len(label)) < len(sides[0])


def made(name: str, shared: Path, store: Path) -> Target:
    """Return a reference that `onnxmint references` makes of images which the evidence does not hold.

    FEATURES is a linear layer on features of CIFAR-100's network, for all goals; RETRAINED are the paper's CNN trained
    anew, each on half of the 26,000 images that its evidence leaves over.
    """
    file = store / "made" / f"{name}.onnx"
    if not file.exists():
        table = data.read(shared, "cifar10")
        sides = data.halves(table, "cifar10")
        rows = sides["members"][:OUTSIDE]
        settings = ReferenceSettings(features=model_of("cifar100-paper", shared), preprocess="0-1", device="cpu")
        if name in RETRAINED:
            rows = np.concatenate([sides[side][:_LEFT] for side in ("members", "nonmembers")])
            settings = ReferenceSettings(retrain=True, count=2, epochs=30, preprocess="0-1", device="cpu")
        with tempfile.TemporaryDirectory() as folder:
            images = Path(folder) / "outside.parquet"
            pq.write_table(table.select(["image", "label"]).take(rows), images)
            make_references(model_of("cifar10-paper", shared), images, file.parent, settings=settings)
    return make_ready(file, EvidenceSettings(preprocess="0-1", device="cpu"))


def recorded(goal: Goal, shared: Path, store: Path) -> dict[str, dict[str, Column]]:
    """Return what target and references say of the evidence; what is not in the store is asked."""
    wanted = {"plain": (goal.run.target, None, 26)}
    wanted |= {name: (name, None, 1) for name in (*goal.references, FEATURES, *goal.retrained)}
    if goal.stated is not None:
        wanted["stated"] = (goal.run.target, *goal.stated)
    pixels, label, member = drawn(goal, shared)
    found: dict[str, dict[str, Column]] = {"known": {"label": label, "member": member}}
    store.mkdir(parents=True, exist_ok=True)
    for key, (name, augmentation, views) in wanted.items():
        file = store / f"{goal.run.target}_{key}.npz"
        if not file.exists():
            target = made(name, shared, store) if name in (FEATURES, *RETRAINED) else ready(name, shared)
            if augmentation is not None:
                target = replace(target, augmentation=Augmentation.of(augmentation))
            partial = file.with_name("unfinished.npz")
            kind = np.array(target.model.answer.kind)
            np.savez(partial, kind=kind, **shown(target, pixels, label, views))
            partial.replace(file)
            print(f"{goal.run.target}: recorded {key}", flush=True)
        found[key] = dict(np.load(file))
    return found
