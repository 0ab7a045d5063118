"""Facts that audits, auditors and evaluations share: the target, the evidence, the method, the controls."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from onnxmint.kinds import ModuleName
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.listed import ListFacts
from onnxmint.settings import DeviceKind
from onnxmint.stats.compare import Difference
from onnxmint.stats.estimates import Estimate, Performance
from onnxmint.stats.ranges import Count, Few, Share

ControlName = str  # one of controls.panel.PANEL: an open set, to which a file and a row add
Units = Literal["images", "groups"]


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """The model under audit and how it was run."""

    path: str
    sha256: str
    input_name: str
    input_shape: tuple[int | str, ...]  # a symbolic dimension is its name
    input_dtype: str
    layers: tuple[str, ...]
    device: DeviceKind  # what really ran
    provider: str  # onnxruntime's name for it
    device_reason: str  # why this device was taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An image that could not be used."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFacts:
    """Known images that the audit rests on, and how they were divided (images, members and non-members together)."""

    members: Count
    nonmembers: Count
    fit: Count
    calibrate: Count
    test: Count
    groups: Count | None  # distinct groups kept whole, None when every image stood for itself
    folds: Few | None = None  # cross-fitted in so many folds: every image was fitted on, and tested by the others
    accuracy_members: Share | None  # accuracy of the target on them, None without labels
    accuracy_nonmembers: Share | None
    confidence_members: Share | None = None  # mean largest probability of the target on them
    confidence_nonmembers: Share | None = None
    skipped: tuple[Skipped, ...] = ()
    listed_members: ListFacts | None = None  # the files that were given; None where none were
    listed_nonmembers: ListFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A simple score measured on the same test part; `performance` is None with the reason in `skipped`."""

    name: str
    description: str
    performance: Performance | None
    skipped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFacts:
    """Another classifier of the same task that was not trained on the known images."""

    name: str  # of its file when the auditor was trained
    sha256: str
    preprocess: PreprocessSpec  # how images are prepared for it


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodFacts:
    """What an auditor scores with, and how it was made.

    Attributes:
        name: of the module.
        title: what a reader calls it: the module and what it reads.
        layer: what it reads, or the last layer where it reads the answer; several are joined by plus signs.
        tensors: the same in the target's graph, one by one.
        answer: the target's output of class scores.
        activation_shape: what the module is given of one image.
        views: how many views of each image the target sees; 0 when only the image itself, without log-odds.
        augmentation: of the target's training, from which the views were drawn; None where they are those of every
            target.
        labels: whether the auditor is told the labels of images.
        folds: networks that were cross-fitted beside each other; 1 when nothing was.
        seed: of every random choice.
        networks: how many were fitted; 0 for a module that learns nothing.
        best_epochs: of each.
        validation_loss: mean over them, None when nothing was fitted.
        source: where the method comes from.
        references: models that the controls compared with.
        intervals: how the intervals of performance were made.
        controls: how the intervals of the controls were made.
    """

    name: ModuleName
    title: str
    layer: str
    tensors: tuple[str, ...]
    answer: str
    activation_shape: tuple[Count, ...]
    views: Few
    labels: bool
    folds: Few
    seed: int
    networks: Few
    best_epochs: tuple[Count, ...]
    validation_loss: float | None
    source: str
    references: tuple[ReferenceFacts, ...]
    intervals: str
    controls: str
    augmentation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsFacts:
    """The methods behind the numbers of an audit, in words."""

    p_values: str
    false_discovery: str
    set_test: str
    at_least: str
    share_of_members: str
    likelihood_ratio: str
    prior: str  # where the probability of membership before a score is seen comes from
    units: Units  # what counts once


@dataclass(frozen=True, slots=True, kw_only=True)
class DifficultyFacts:
    """What the control `reference` found beside its AUC.

    Attributes:
        by: what gave the difficulty: the names of given models, or words for learned ones.
        learned: whether small classifiers learned it from the known images, as no reference was given.
        labels: whether it is the difficulty of the images' labels, or of the models' own top class.
        before: AUC of the audit's score on the images whose difficulty is known; None where no members are known.
        after: the same once difficulty is taken off.
        questioned: AUC of difficulty, questioned images against known non-members; None when they were not shown.
    """

    by: str
    learned: bool
    labels: bool
    before: Estimate | None
    after: Estimate | None
    questioned: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFacts:
    """What the control `duplicates` found and did; numbers of images."""

    on_both_sides: Count
    near_copies_of_members: Count
    left_out: Count
    grouped: Count
    left_out_images: tuple[str, ...] = ()  # the first ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """On how many of so many images the target's top class is the label."""

    right: Count
    images: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFacts:
    """What the control `labels` found.

    Attributes:
        questioned, members, nonmembers: how often the target agrees with their labels; 0 of 0 where none are known.
        more: p-value that the questioned labels agree no more often than those of known members.
        less: p-value that they agree no less often than those of known non-members.
        wrong_seen_from: smallest share of wrong labels among non-members that is noticed in 95% of cases; None when
            not even all wrong ones are.
        own_seen: whether labels that all are the target's own answers would be noticed.
    """

    questioned: Agreement
    members: Agreement
    nonmembers: Agreement
    more: Share
    less: Share
    wrong_seen_from: Share | None
    own_seen: bool


OpinionName = Literal["without labels", "whatever the confidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionFacts:
    """What another test of the set says.

    Attributes:
        name: "without labels" takes the model's own top class in the label's place: only what it finds too counts;
            "whatever the confidence" compares with all known non-members, not only those that the model is equally sure
            of. Where it alone finds members, the images may just be easy; where it alone finds none, made differently.
        p_value: one-sided, on average over auditors.
        finds: whether it is at most the level of the audit.
    """

    name: OpinionName
    p_value: Share
    finds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A test for another explanation than membership.

    Attributes:
        name: which.
        passed: None when it was not run; the text says why.
        text: what was found, in one or two sentences.
        stops: whether it leaves another explanation than membership when it fails, so that no verdict is reached.
        hides: whether members could go unnoticed when it fails, so that "no-evidence" is not said.
        auc: how well it tells the two sides apart without membership, with its interval; None where it does not.
        difficulty: of `reference`.
        target_minus_placebo: of `placebo`, AUC of the target minus that of its twin.
        copies: of `duplicates`.
        alike: of `exchangeability`, how many known non-members look like questioned images, where these differ.
        labels: of `labels`.
    """

    name: ControlName
    passed: bool | None
    text: str
    stops: bool = False
    hides: bool = False
    auc: Estimate | None = None
    difficulty: DifficultyFacts | None = None
    target_minus_placebo: Difference | None = None
    copies: CopyFacts | None = None
    alike: Count | None = None
    labels: LabelFacts | None = None
