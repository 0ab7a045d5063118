"""What the study measures: one line a run. The order is that of their worth, should time run out."""

from collections.abc import Iterator
from dataclasses import dataclass

SMALL = ("cifar10-small", "cifar10-small-nodropout", "cifar10-small-augment")
LAYERS = tuple(f"relu{number}" for number in range(1, 8))  # layers 1 to 7 of the paper's CNN


@dataclass(frozen=True, kw_only=True)
class Target:
    """A classifier, the data it was trained on, and how its images are prepared."""

    data: str
    preprocess: str = "0-1"
    ours: bool = True  # trained by targets.py on half of the training split


TARGETS = {
    "cifar10-paper": Target(data="cifar10"),
    "cifar10-paper-epoch5": Target(data="cifar10"),
    "cifar10-paper-epoch10": Target(data="cifar10"),
    "cifar10-paper-epoch20": Target(data="cifar10"),
    "cifar100-paper": Target(data="cifar100"),
    "gtsrb-paper": Target(data="gtsrb"),
    "cifar10-small": Target(data="cifar10"),
    "cifar10-small-nodropout": Target(data="cifar10"),
    "cifar10-small-augment": Target(data="cifar10"),
    "cifar10-resnet20": Target(data="cifar10", preprocess="imagenet", ours=False),
    "cifar10-large-nhwc": Target(data="cifar10", ours=False),
    "cifar10-resnet8": Target(data="cifar10", preprocess="0-255", ours=False),
    "cifar10-resnet4b-batch1": Target(data="cifar10", preprocess="cifar10", ours=False),
    "gtsrb-cnn-batch1": Target(data="gtsrb", ours=False),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One evaluation.

    Attributes:
        table: the table of README.md it belongs to.
        target: one of TARGETS.
        evidence: known members, and as many known non-members.
        nonmembers: "half" (the other half of the training split) or "test" (the official test split); third-party
            targets have one kind only.
        members_from, nonmembers_from, nonmembers_to: which rows of a side are drawn from; the others were looked at
            while the module was made, or references were trained on them.
        placebo: take the twin with shuffled weights instead.
        references: other targets of ours, as reference models.
    """

    table: str
    target: str
    evidence: int
    seed: int = 0
    nonmembers: str = "half"
    members_from: int = 0
    nonmembers_from: int = 0
    nonmembers_to: int | None = None
    views: int = 26
    labels: bool = True
    placebo: bool = False
    layers: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of its result."""
        parts = [
            self.table, self.target, f"{self.evidence}", f"{self.views}views",
            "" if self.labels else "nolabels", "" if self.nonmembers == "half" else self.nonmembers,
            "placebo" if self.placebo else "", f"from{self.members_from}" if self.members_from else "",
            f"seed{self.seed}",
        ]  # fmt: skip
        return "_".join(part for part in parts if part)


def runs() -> Iterator[Run]:
    """Yield every run."""
    yield from _power()
    yield from _reference()
    yield from _paper()
    yield from _factors()
    yield from _full()


def _power() -> Iterator[Run]:
    """Goals of the project: views against the best signal, with much evidence."""
    unseen = {"members_from": 13_000, "nonmembers_from": 13_000}
    yield Run(table="power", target="cifar10-large-nhwc", evidence=6000, members_from=12_000, nonmembers_to=6000)
    yield Run(table="power", target="cifar10-paper", evidence=10_000, **unseen)
    yield Run(table="power", target="cifar10-resnet20", evidence=10_000)
    yield Run(table="power", target="cifar10-paper", evidence=10_000, labels=False, **unseen)
    yield Run(table="power", target="cifar10-paper-epoch20", evidence=4000)
    yield Run(table="power", target="cifar100-paper", evidence=4000)
    yield Run(table="power", target="gtsrb-paper", evidence=4000)
    for target in ("cifar10-resnet8", "cifar10-resnet4b-batch1", "gtsrb-cnn-batch1"):
        yield Run(table="power", target=target, evidence=4000)
    for target in ("cifar10-paper", "cifar10-large-nhwc", "gtsrb-cnn-batch1"):
        yield Run(table="power", target=target, evidence=4000, placebo=True)


def _reference() -> Iterator[Run]:
    """References trained on none of the evidence."""
    yield Run(table="reference", target="cifar10-paper", evidence=2000, members_from=10_000, references=SMALL, views=26)


def _paper() -> Iterator[Run]:
    """The paper's study: layers 1 to 7, both protocols, and the placebo twin beside each."""
    for seed in range(3):
        for target in ("cifar10-paper", "cifar100-paper", "gtsrb-paper"):
            for nonmembers in ("half", "test"):
                for placebo in (False, True) if seed == 0 else (False,):
                    yield Run(
                        table="paper", target=target, evidence=2000, seed=seed, nonmembers=nonmembers,
                        placebo=placebo, layers=LAYERS, views=2,
                    )  # fmt: skip


def _factors() -> Iterator[Run]:
    """What changes the power of the test, one thing at a time."""
    for views in (2, 14, 26):
        yield Run(table="views", target="cifar10-paper", evidence=2000, views=views)
    for evidence in (100, 300, 1000, 4000):
        yield Run(table="evidence", target="cifar10-paper", evidence=evidence)
    for target in ("cifar10-paper-epoch5", "cifar10-paper-epoch10", "cifar10-paper-epoch20", "cifar10-paper"):
        yield Run(table="epochs", target=target, evidence=2000)
    for target in ("cifar10-small", "cifar10-small-nodropout", "cifar10-small-augment"):
        yield Run(table="training", target=target, evidence=2000)


def _full() -> Iterator[Run]:
    """The paper's study with every image as evidence: so many as its tables rest on."""
    halves = {"cifar10-paper": 25_000, "gtsrb-paper": 19_700, "cifar100-paper": 25_000}
    official = {"cifar10-paper": 10_000, "gtsrb-paper": 12_600, "cifar100-paper": 10_000}
    for nonmembers, evidence in (("half", halves), ("test", official)):
        for target, count in evidence.items():
            for placebo in (False, True):
                yield Run(
                    table="full", target=target, evidence=count, nonmembers=nonmembers, placebo=placebo, layers=LAYERS,
                    views=2,
                )  # fmt: skip
