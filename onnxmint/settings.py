"""What a user may choose about an audit, with the defaults that every front end shares."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from onnxmint.errors import UsageError

DeviceKind = Literal["cpu", "cuda"]
DeviceChoice = Literal["auto", DeviceKind]
ModuleName = str  # of one of MODULES: an open set, to which a row and a file add
ModuleChoice = str  # "auto", or a ModuleName
FalseDiscovery = Literal["bh", "storey"]
PValues = Literal["conservative", "smoothed"]


_MAP = 3  # axes of an activation map: channels, height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleKind:
    """A MINT module that can be asked for; its network is in mint/modules/NAME.py.

    Attributes:
        name: by which it is asked for.
        words: what it does, for --help.
        reads: the log-odds of the answer in all views, or one layer.
        views: whether it needs more than one view of an image.
        maps_only: whether a layer must be an activation map.
        fitted: how many networks are: none, one, or one stopped by each fold of the fit part.
    """

    name: ModuleName
    words: str
    reads: Literal["odds", "layer"]
    views: bool = False
    maps_only: bool = False
    fitted: Literal["none", "one", "each fold"] = "one"

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Say whether it can read a layer of this shape per image."""
        return not self.maps_only or len(shape) == _MAP


MODULES = (
    ModuleKind(
        name="views",
        words="reads how the answer changes over shifted and mirrored views",
        reads="odds",
        views=True,
        fitted="each fold",
    ),
    ModuleKind(name="phi", words="is the log-odds of one view", reads="odds", fitted="none"),
    ModuleKind(name="cnn", words="reads the activation map of one --layer", reads="layer", maps_only=True),
    ModuleKind(name="vanilla", words="reads its pooled values", reads="layer"),
)
"""Every module; of those that read a layer, "auto" takes the first that can. To add one, write its file and its row."""


def module_kind(name: ModuleName) -> ModuleKind:
    """Return the row of a module.

    Raises:
        UsageError: there is no such module.
    """
    found = next((kind for kind in MODULES if kind.name == name), None)
    if found is None:
        raise UsageError(f"no module {name!r}; there are {', '.join(kind.name for kind in MODULES)}")
    return found


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
