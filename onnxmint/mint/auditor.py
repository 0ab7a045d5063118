"""The auditor: one ONNX file that scores images of one target, with everything needed to trust and repeat it.

The graph takes raw uint8 pixels and gives `score`, `p_value` and the target's `answer`. Everything else (hash of
the target, layer, preprocessing, evidence, performance, calibration) is JSON in the file's metadata.
"""

import stat
from collections.abc import Iterator, Set
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onnxmint.engine.probe import ANSWER as ANSWER_COLUMN
from onnxmint.engine.probe import FREE as FREE_ODDS
from onnxmint.engine.probe import ODDS
from onnxmint.errors import ModelError, UsageError
from onnxmint.graph.auditor_outputs import ANSWER, FREE, FREE_LEVEL, HARDNESS, LEVEL, SCORE, SCORES
from onnxmint.graph.augmentations import Augmentation
from onnxmint.graph.views import VIEW_SETS
from onnxmint.images.classes import Numbering
from onnxmint.kinds import MODULES
from onnxmint.preprocess.decoding import final_size
from onnxmint.preprocess.geometry import contradiction
from onnxmint.results.auditor import SCHEMA, AuditorFacts
from onnxmint.results.json import Document
from onnxmint.verdict.judging import Measure
from onnxmint.verdict.yardstick import Traces, Yardstick

if TYPE_CHECKING:
    import onnx

_LARGEST = 1 << 31  # bytes of an ONNX file
METADATA_KEY = "onnxmint.auditor"
OBSERVED = (
    "Trained on observations of the model, which was not at hand: the auditor's file holds none of its weights, and "
    "scores observations only, no images."
)
TENSORS = (("onnxmint_odds", ODDS), ("onnxmint_free", FREE_ODDS), ("onnxmint_answer", ANSWER_COLUMN))
ACTIVATION_TENSOR = "onnxmint_activation"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorContent(AuditorFacts):
    """All that is written into an auditor's file beside the graph.

    Attributes:
        classes: the number of each class name, None where the known images have none: what questioned ones are read by.
        yardstick: held-out scores of known images: p-values, share, power and drawings come from these.
        traces: what later controls need of the known images.
    """

    classes: Numbering | None
    yardstick: Yardstick
    traces: Traces

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata that goes into the file (everything but the graph)."""
        return {METADATA_KEY: AUDITOR.write(self, packed=True)}

    @property
    def measure(self) -> Measure:
        """Return what questioned images are judged by."""
        return Measure(
            yardstick=self.yardstick,
            gate=self.gate,
            performance=self.performance,
            folds=self.method.folds,
            labels=self.method.labels,
        )

    @property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """Return the tensors of the graph that hold what the target said, and what each is."""
        layer = ((ACTIVATION_TENSOR, self.method.layer),) if self.method.activation_shape else ()
        return (*TENSORS, *layer)

    @property
    def compares(self) -> bool:
        """Return whether its score compares with references, which are in its graph."""
        return self.method.name in [kind.name for kind in MODULES if kind.references]

    @property
    def observed(self) -> bool:
        """Return whether it was trained on observations: its file has none of the target's weights."""
        return OBSERVED in self.warnings

    @property
    def columns(self) -> dict[str, str]:
        """Return the outputs of the graph that an audit reads, by column; SCORE is that of every network."""
        return {
            SCORE: SCORES if self.method.folds > 1 else SCORE,
            ANSWER: ANSWER,
            **{name: name for name in (FREE, LEVEL, FREE_LEVEL) if getattr(self.yardstick, name) is not None},
            **({HARDNESS: HARDNESS} if self.compares else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditor(AuditorContent):
    """A trained auditor.

    Attributes:
        model: the serialised ONNX file, its content included.
        seconds: that an image took in a trial run of the graph, None before there was one.
    """

    model: bytes
    seconds: float | None = None

    @classmethod
    def of(cls, content: AuditorContent, model: bytes, seconds: float | None = None) -> "Auditor":
        """Return the auditor of a file and its content."""
        held = {field.name: getattr(content, field.name) for field in fields(content)}
        return cls(model=model, seconds=seconds, **held)


AUDITOR = Document(kind=AuditorContent, schema=SCHEMA, mend="train it again", error=ModelError)


def load_auditor(path: Path) -> Auditor:
    """Read an auditor file; what it says is checked before anything of it runs, and then what its graph gives.

    Raises:
        ModelError: the file is missing, no ONNX file, not an auditor of a version we know, contradicts itself, or its
            graph is not one of an auditor.
    """
    from onnxmint.graph.merge import try_auditor

    model, proto = _opened(path)
    auditor = Auditor.of(_content(proto, path), model)
    outputs, folds = {output.name for output in proto.graph.output}, auditor.method.folds
    apart = _apart(auditor.yardstick, auditor.traces, folds, measured=auditor.performance is not None)
    for wrong in (*_impossible(auditor, outputs), *apart):
        raise ModelError(f"the auditor {path}: {wrong}; train it again")
    channels = 1 if auditor.preprocess.channels == "gray" else 3
    size = (*(final_size(auditor.preprocess) or (1, 1)), channels)
    return replace(auditor, seconds=try_auditor(proto, model, path, size=size, folds=folds))


def load_content(path: Path) -> AuditorContent:
    """Read what an auditor file says beside its graph, of which nothing runs; enough to judge scores that are there.

    Raises:
        ModelError: as `load_auditor`, but for the graph.
    """
    content = _content(_opened(path)[1], path)
    measured = content.performance is not None
    for wrong in _apart(content.yardstick, content.traces, content.method.folds, measured=measured):
        raise ModelError(f"the auditor {path}: {wrong}; train it again")
    return content


def _content(proto: "onnx.ModelProto", path: Path) -> AuditorContent:
    found = {entry.key: entry.value for entry in proto.metadata_props}
    if METADATA_KEY not in found:
        raise ModelError(f"{path} is an ONNX file but no auditor; make one with: onnxmint train")
    return AUDITOR.read(found[METADATA_KEY], f"the auditor {path}")


def _opened(path: Path) -> tuple[bytes, "onnx.ModelProto"]:
    """Return the content of a file and its graph, which may be looked at: the guard let it pass.

    Raises:
        ModelError: the file is missing, no ONNX file, or hostile.
    """
    import onnx
    from google.protobuf.message import DecodeError

    from onnxmint.graph.bringing import brought
    from onnxmint.graph.guard import check_proto, refuse_external_data
    from onnxmint.graph.mending import read_texts

    try:
        with brought(path) as here:
            facts = here.stat()
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:  # a pipe or device may never end
                raise ModelError(
                    f"{path} is no regular file, or has more than 2 GB; give the auditor.onnx that onnxmint train wrote"
                )
            model = here.read_bytes()
    except OSError as problem:
        raise ModelError(f"cannot read the auditor {path}: {problem.strerror or problem}") from None
    try:
        proto = onnx.load_model_from_string(model)
    except DecodeError:
        raise ModelError(
            f"{path} is not an ONNX file, or incomplete; give the auditor.onnx that onnxmint train wrote"
        ) from None
    read_texts(proto)
    check_proto(proto, path)
    refuse_external_data(proto, path)
    return model, proto


def _impossible(found: Auditor, outputs: Set[str]) -> Iterator[str]:
    """Yield what cannot be done with a graph and a method, so that no audit ends in the middle because of it."""
    method = found.method
    if method.name not in [kind.name for kind in MODULES]:
        yield f"no module {method.name!r}; there are {', '.join(kind.name for kind in MODULES)}"
    for spec in (found.preprocess, *(reference.preprocess for reference in method.references)):
        why = contradiction(spec) or ("it leaves the image size open" if final_size(spec) is None else None)
        if why is not None:
            yield f"preprocessing {spec.name!r} cannot be done: {why}"
    wanted = set(found.columns.values())
    if not wanted <= outputs:
        yield f"its graph does not give {', '.join(sorted(wanted - outputs))}"
    known = method.views in (0, *VIEW_SETS) if method.augmentation is None else method.views > 0
    if method.augmentation is not None:
        try:
            Augmentation.of(method.augmentation)
        except UsageError as problem:
            yield str(problem)
    if not known or method.seed < 0:
        yield f"there are no {method.views} views with seed {method.seed}"


def _apart(yardstick: Yardstick, traces: Traces, networks: int, *, measured: bool) -> Iterator[str]:
    """Yield what does not belong together in the tables of known images; unmeasured is what knows no members."""
    if not measured and yardstick.is_member.any():
        yield "it knows members but not how well they are told apart"
    for member, words in ((True, "member"), (False, "non-member")):
        if not len(yardstick.test_scores(member=member)) and (measured or not member):
            yield f"no {words} is left to test with"
    if np.unique(yardstick.fold).tolist() != list(range(networks)):
        yield f"its scores are not those of {networks} networks"
    if len(np.unique(yardstick.number)) != len(yardstick.number):
        yield "a held-out image is there twice"
    for numbers in (traces.described, traces.judged):
        if not np.isin(numbers, yardstick.nonmembers.number).all():
            yield "it remembers features or difficulty of images that are no held-out non-members"
