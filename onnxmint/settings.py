"""What a user may choose about an audit, with the defaults that every front end shares."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

DeviceKind = Literal["cpu", "cuda"]
DeviceChoice = Literal["auto", DeviceKind]
ModuleName = str  # one of mint.modules: an open set
ModuleChoice = str  # "auto", or a ModuleName
FalseDiscovery = Literal["bh", "storey"]
PValues = Literal["conservative", "smoothed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """How images are read and shown to a model."""

    group: str | None = None  # column or pattern that says which images belong together
    labels: bool = True  # take labels where the source has them
    device: DeviceChoice = "auto"
    batch_size: int | None = None  # images in one run of a model; None takes what suits device and views
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSettings(ImageSettings):
    """How known images are read and shown to the target."""

    answer: str | None = None  # output of the target that holds the class scores; None finds it
    preprocess: str | None = None  # preset, file or folder; None takes what is declared beside the target
    views: int = 26  # how many views the module `views` sees: 2, 14 or 26
    limit: int | None = None  # at most so many members and non-members


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings(EvidenceSettings):
    """What is fitted on the known images to make an auditor."""

    layers: tuple[str, ...] = ("auto",)  # each a human name, tensor name, index or "auto"; several are read as one
    module: ModuleChoice = "auto"
    folds: int | None = None  # cross-fit in so many folds; None keeps parts for calibration and test
    reference: tuple[Path, ...] = ()  # models of the same task that were not trained on the known images
    controls: bool = True  # run the controls


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings(EvidenceSettings):
    """What is compared on the known images."""

    layers: tuple[str, ...] = ("auto",)  # as in TrainSettings.layers; "all" for all
    modules: tuple[ModuleName, ...] = ("views", "cnn", "vanilla")
    reference: Path | None = None  # folder of reference models


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings(ImageSettings):
    """How questioned images are scored and judged."""

    alpha: float = 0.05  # false-discovery rate per image, level of the test for the set
    false_discovery: FalseDiscovery = "bh"
    p_values: PValues = "conservative"
    per_class: bool = False  # p-values against non-members of the same class
    prior: float | None = None  # probability of membership before the score is seen; None takes the estimated share
    relevant_share: float = 0.5  # share of members that "no evidence" must have been able to notice
    reference: tuple[Path, ...] = ()  # as in TrainSettings: the same models, shown the questioned images
    controls: bool = True
