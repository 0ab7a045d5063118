"""What a user may choose about an audit, with the defaults that every front end shares.

Settings check themselves when they are made, with the sentences of the command line, whose options are read off here.
"""

import types
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from onnxmint.errors import UsageError
from onnxmint.kinds import OfModules

DeviceKind = Literal["cpu", "cuda"]
DeviceChoice = Literal["auto", DeviceKind]
FalseDiscovery = Literal["bh", "storey"]
CHECK = "check"
"""In place of a preprocessing: what fits labelled known images best is taken."""
PValues = Literal["conservative", "smoothed"]
Views = Literal[2, 14, 26]
ManyViews = Literal[2, 14, 26, 50]
"""Views of known images: more than the usual ones are drawn from a stated augmentation."""
Guarantee = Literal["each", "average"]
SignalChoice = Literal[
    "auto", "max_probability", "entropy", "energy", "correct", "loss", "modified_entropy", "phi", "margin",
    "gradient_norm", "view_gap",
]  # fmt: skip
"""A closed-form signal; "auto" is the log-odds of the label, without labels the largest probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """Numbers that a setting may have; None leaves an end open, `above` and `below` leave the end itself out."""

    low: float | None = None
    high: float | None = None
    above: bool = False
    below: bool = False

    def holds(self, value: float) -> bool:
        """Return whether a number is among them."""
        over = self.low is None or (value > self.low if self.above else value >= self.low)
        return over and (self.high is None or (value < self.high if self.below else value <= self.high))

    def __str__(self) -> str:
        """Return the range as click writes it."""
        low = "" if self.low is None else f"{self.low}{'<' if self.above else '<='}"
        high = "" if self.high is None else f"{'<' if self.below else '<='}{self.high}"
        return f"{low}x{high}" if high or not low else f"x{'>' if self.above else '>='}{self.low}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """How images are read and shown to a model."""

    group: str | None = None  # column or pattern that says which images belong together
    labels: bool = True  # take labels where the source has them
    device: DeviceChoice = "auto"
    batch_size: Annotated[int, Within(low=1, high=4096)] | None = None  # images in one run; None takes what suits
    seed: Annotated[int, Within(low=0)] = 0

    def __post_init__(self) -> None:
        """Refuse what no audit can be made with.

        Raises:
            UsageError: naming the setting and what it may be.
        """
        hints = get_type_hints(type(self), include_extras=True)
        for one in fields(self):
            value = getattr(self, one.name)
            wrong = _wrong(value, hints[one.name])
            if wrong is not None:
                raise UsageError(f"Invalid value for '{one.name}': {wrong}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSettings(ImageSettings):
    """How known images are read and shown to the target."""

    answer: str | None = None  # output of the target that holds the class scores; None finds it
    # preset, file or folder, or "check"; None takes what is declared beside the target, else what check finds
    preprocess: str | None = None
    classes: Path | None = None  # file that names the classes in the order of the target's outputs
    views: ManyViews = 26  # how many views the module `views` sees; 50 of a stated augmentation
    augmentation: str | None = None  # how the target's training images were moved and mirrored: views are drawn from it
    limit: Annotated[int, Within(low=1)] | None = None  # at most so many members and non-members

    def __post_init__(self) -> None:
        """Refuse what no audit can be made with, and more views than there are.

        Raises:
            UsageError: naming the setting and what it may be.
        """
        ImageSettings.__post_init__(self)
        if self.views not in get_args(Views) and self.augmentation is None:
            raise UsageError(
                f"--views {self.views} draws views from the augmentation that the target was trained with: say it with "
                f"--augmentation, or take --views {max(get_args(Views))}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings(EvidenceSettings):
    """What is fitted on the known images to make an auditor."""

    layers: tuple[str, ...] = ("auto",)  # each a human name, tensor name, index or "auto"; several are read as one
    module: Annotated[str, OfModules(auto=True)] = "auto"
    folds: Annotated[int, Within(low=2, high=20)] | None = None  # cross-fit; None keeps parts for calibration and test
    reference: tuple[Path, ...] = ()  # models of the same task that were not trained on the known images
    controls: bool = True  # run the controls


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings(EvidenceSettings):
    """What is compared on the known images."""

    layers: tuple[str, ...] = ("auto",)  # as in TrainSettings.layers; "all" for all
    modules: tuple[Annotated[str, OfModules(fitted=True)], ...] = field(
        default_factory=lambda: OfModules(fitted=True).names  # all that learn
    )
    reference: Path | None = None  # folder of reference models
    epsilon: bool = False  # bound how private training can have been; only where the next one is declared
    drawn_at_random: bool = False  # every known image became a member by a fair coin of its own
    delta: Annotated[float, Within(low=0, high=1, below=True)] = 1e-5  # of differential privacy
    fail_above: tuple[str, ...] = ()  # limits on the leak, each such as "auc=0.60" or "tpr@1%=0.05"
    repeats: Annotated[int, Within(low=1, high=100)] = 1  # divisions of the known images, each with the next seed


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSettings(ImageSettings):
    """How the same images are shown to two models, and what of their answers is compared."""

    answer: str | None = None  # as in EvidenceSettings, of both models
    preprocess: str | None = None  # as in EvidenceSettings, of the first model, and of the second where it says nothing
    preprocess_after: str | None = None  # of the second model, where it is another
    classes: Path | None = None  # as in EvidenceSettings
    views: Views = 26  # how many views of each image signals that need several are shown
    signal: SignalChoice = "auto"  # what scores an image, fixed before any is shown
    fail_if_more: tuple[str, ...] = ()  # limits on the change, each such as "auc=0.02"
    limit: Annotated[int, Within(low=1)] | None = None  # at most so many images of each set


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveSettings(ImageSettings):
    """What is observed of images, for another party to audit without the model."""

    answer: str | None = None  # as in EvidenceSettings
    preprocess: str | None = None  # as in EvidenceSettings
    classes: Path | None = None  # as in EvidenceSettings
    views: Views = 26  # how many views of each image the model is shown
    layers: tuple[str, ...] = ("auto",)  # whose activations are given out; "none" for none
    twin: bool = True  # observe the placebo twin too, of which controls need to know


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSettings(ImageSettings):
    """How reference models are made for a target: from the features of another model, or by training its graph anew."""

    answer: str | None = None  # as in EvidenceSettings, of the target
    preprocess: str | None = None  # as in EvidenceSettings
    classes: Path | None = None  # as in EvidenceSettings
    augmentation: str | None = None  # how training images are moved and mirrored
    features: Path | None = None  # a classifier of another task, on whose features a linear layer is fitted
    layers: tuple[str, ...] = ("auto",)  # of it, whose activations are the features; "auto" for the deepest
    retrain: bool = False  # train the target's graph anew, with fresh weights
    count: Annotated[int, Within(low=1, high=1000)] = 4  # references; a single one learns from all images
    epochs: Annotated[int, Within(low=1, high=10_000)] = 60  # times that each image is learned from


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings(ImageSettings):
    """How questioned images are scored and judged."""

    # false-discovery rate per image, level of the test for the set
    alpha: Annotated[float, Within(low=0, high=0.5, above=True)] = 0.05
    false_discovery: FalseDiscovery = "bh"
    p_values: PValues = "conservative"
    guarantee: Guarantee = "each"  # the level of the set test holds for each of 95% of auditors, or on average
    per_class: bool = False  # p-values against non-members of the same class
    # probability of membership before the score is seen; None takes the estimated share
    prior: Annotated[float, Within(low=0, high=1, above=True, below=True)] | None = None
    # share of members that "no evidence" must have been able to notice
    relevant_share: Annotated[float, Within(low=0, high=1, above=True)] = 0.5
    time: Annotated[float, Within(low=1)] | None = None  # seconds; fewer images and views are shown to end within them
    reference: tuple[Path, ...] = ()  # as in TrainSettings: the same models, shown the questioned images
    subject: str | None = None  # column or pattern that says whose images they are, or "folder"; each gets an answer
    subject_first: str | None = None  # the subject that was asked for
    controls: bool = True
    # judge at most so many different images, drawn by a hash of their content; None judges all
    sample: Annotated[int, Within(low=1)] | None = None
    sequential: bool = False  # score in growing lots and stop when the answer is known


def without_none(hint: Any) -> Any:
    """Return an annotation without the None that stands for a default."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(part for part in get_args(hint) if part is not type(None))
    return hint


def _wrong(value: object, hint: Any) -> str | None:
    """Return why a value is not what its annotation says, None when it is."""
    if value is None and type(None) in get_args(hint):
        return None
    hint = without_none(hint)
    inside = get_args(hint)
    if get_origin(hint) is Literal:
        known = isinstance(value, str | int) and value in inside
        return None if known else f"{value!r} is not one of {', '.join(map(repr, inside))}"
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return f"{value!r} is no tuple, such as ({value!r},)"
        return next((wrong for part in value if (wrong := _wrong(part, inside[0])) is not None), None)
    return _wrong_scalar(value, hint)


def _wrong_scalar(value: object, hint: Any) -> str | None:
    kind, *limits = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, _KINDS.get(kind, kind)):
        return f"{value!r} is no {_WORDS[kind]}"
    for limit in limits:
        if isinstance(limit, OfModules) and value not in limit.names:
            return f"{value!r} is not one of {', '.join(map(repr, limit.names))}"
        if isinstance(limit, Within) and not limit.holds(value):
            return f"{value} is not in the range {limit}"
    return None


_KINDS = {int: Integral, float: Real}
_WORDS = {int: "whole number", float: "number", bool: "truth value", str: "text", Path: "Path"}
