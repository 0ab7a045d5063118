"""Answers for another party: who has the model observes images, who audits gets neither. Read `observe` from the top.

A folder of observations is a model without weights (`model.onnx`) and a Parquet file of images in whose place stands
what was observed of them (`images.parquet`): both are taken by whatever takes a model and images.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from onnxmint import __version__
from onnxmint.cores import usable_cores
from onnxmint.engine.local import Local
from onnxmint.engine.observations import Engine, Observations
from onnxmint.engine.probe import expose
from onnxmint.engine.target import Target, target_facts, target_warnings, twin_of
from onnxmint.errors import ImagesError, UsageError
from onnxmint.evidence.gathering import given_classes
from onnxmint.evidence.table import check_labels, labels_of
from onnxmint.graph.layers import Layer, choose_layer, dense_input
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.graph.observed import ObservedModel, is_without_weights
from onnxmint.graph.weightless import without_weights
from onnxmint.images.chosen import Images, Part
from onnxmint.images.entries import ImageSource
from onnxmint.images.facts import look_at, looks_of
from onnxmint.images.observed import Observation
from onnxmint.images.together import Together, open_together
from onnxmint.mint.describing import telling_layer
from onnxmint.preprocess.declared.names import declared_names
from onnxmint.progress import Stage, quiet
from onnxmint.results.facts import Skipped, now
from onnxmint.results.frames import storable
from onnxmint.results.observed import OBSERVED_FACTS, ObservedFacts
from onnxmint.results.redaction import RedactionKey
from onnxmint.settings import EvidenceSettings, ObserveSettings
from onnxmint.workflows.preparing import settled
from onnxmint.workflows.veiling import Veil

MODEL, IMAGES, FACTS = "model.onnx", "images.parquet", "observed.json"
"""The files of a folder of observations."""
_NONE = "none"
_INTEGER = {"dtype": "int64", "_type": "Value"}
_ROWS = 1000  # of a group, which is read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Observations, to be given away.

    Attributes:
        facts: what they are.
        files: of the folder, by name.
    """

    facts: ObservedFacts
    files: Mapping[str, bytes]


def observe(
    model: str | Path,
    images: str | Path,
    *,
    settings: ObserveSettings | None = None,
    stage: Stage = quiet,
    engine: Engine | None = None,
    key: RedactionKey | None = None,
) -> Observed:
    """Show images to a model and write down what it says, for somebody who is to get neither.

    Args:
        model: the classifier, an ONNX file.
        images: folder, Parquet, CSV or tar; labels and groups go with the observations.
        settings: views, layers, twin; the defaults when None.
        stage: told of the progress.
        engine: shows the images and has a stage of its own; this process when None.
        key: names of images, groups and classes are not given away, but pseudonyms by this; None gives them.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings, engine = settings or ObserveSettings(), engine or Local(stage)
    if is_without_weights(model):
        raise UsageError(f"{model} holds no weights: it stands for a model that somebody else observes")
    loaded = load_target(model, answer=settings.answer)
    known = _opened(images, loaded, settings)
    target = settled(loaded, _evidence_settings(settings), engine, lambda: known.sources[0])
    source, labels = known.whole[0], labels_of(known.whole[0].entries())
    check_labels(labels, target.model.answer.classes, source)
    layers, views = _layers(target, settings), 0 if target.model.input.mixes else settings.views
    asked = _Asked(target=target, layers=layers, views=views or 1, settings=settings)
    rows = _rows(asked, source, engine)
    facts = _facts(asked, source, rows, labelled=labels is not None, warnings=known.notes)
    if key is not None:
        facts = _without_names(facts, source, key, str(images))
    return Observed(
        facts=facts,
        files={
            MODEL: without_weights(target.model, _told(target, facts)),
            IMAGES: _parquet(source, rows, key),
            FACTS: (OBSERVED_FACTS.write(facts) + "\n").encode(),
        },
    )


def _told(target: Target, facts: ObservedFacts) -> ObservedModel:
    """Return what the other party is told of the model."""
    return ObservedModel(
        sha256=target.model.sha256,
        input=target.model.input,
        answer=target.model.answer,
        preprocess=msgspec.json.encode(target.spec).decode(),
        layers=facts.layers,
        views=facts.views,
        seed=facts.seed,
        notes=target.model.notes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is observed."""

    target: Target
    layers: tuple[Layer, ...]
    views: int
    settings: ObserveSettings

    def subjects(self) -> Iterator[tuple[Target, tuple[Layer, ...]]]:
        """Yield who is asked, and which layers are given out of each."""
        yield self.target, self.layers
        if self.settings.twin:
            layer = telling_layer(self.target.layers)
            more = () if layer in self.layers else (layer,)
            yield twin_of(self.target, self.settings.seed), (*self.layers, *more)


def _rows(asked: _Asked, source: ImageSource, engine: Engine) -> list[Observation]:
    """Return what the model, and its twin where that is asked too, say of every image."""
    answers, skipped = dict[int, dict[tuple[str, str], Any]](), dict[int, str]()
    for subject, beside in asked.subjects():
        seen = _shown(subject, beside, asked, source, engine)
        for name, column in seen.columns.items():
            for row, value in zip(seen.row.tolist(), column, strict=True):
                answers.setdefault(row, {})[subject.subject, name] = value
        reasons = {one.path: one.reason for one in seen.skipped}
        skipped |= {row: reasons[entry.path] for row, entry in enumerate(source.entries()) if entry.path in reasons}
    return list(_observations(source, answers, skipped, engine.stage))


def _evidence_settings(settings: ObserveSettings) -> EvidenceSettings:
    names = ("group", "labels", "device", "batch_size", "seed", "answer", "classes", "views", "preprocess")
    return EvidenceSettings(**{name: getattr(settings, name) for name in names})


def _opened(images: str | Path, model: TargetModel, settings: ObserveSettings) -> Together:
    return open_together(
        (images,),
        group=settings.group,
        labels=settings.labels,
        classes=given_classes(_evidence_settings(settings)),
        declared=declared_names(model.path, model.model.metadata_props),
        outputs=model.answer.classes,
    )


def _layers(target: Target, settings: ObserveSettings) -> tuple[Layer, ...]:
    """Return the layers that are given out: those asked for, and by "auto" also what the last dense layer reads."""
    if settings.layers == (_NONE,):
        return ()
    chosen = [choose_layer(target.layers, name) for name in settings.layers]
    if "auto" in settings.layers:
        tensor = dense_input(target.model)
        chosen += [layer for layer in target.layers if layer.tensor == tensor and layer.kind == "vector"]
    return tuple(layer for layer in target.layers if layer in chosen)


def _shown(
    subject: Target, layers: tuple[Layer, ...], asked: _Asked, source: ImageSource, engine: Engine
) -> Observations:
    """Show all images to the model, or to its twin, and keep all that is shown of it."""
    entries = source.entries()
    labels = labels_of(entries)
    exposed = expose(subject, [], views=asked.views, labels=labels is not None, beside=layers)
    part = Part(
        name="images",
        source=source,
        index=np.array([entry.index for entry in entries], np.int64),
        row=np.arange(len(entries)),
        label=labels,
    )
    probe = exposed.probe(batch_size=asked.settings.batch_size)
    words = "shown" if subject.twin is None else "by the twin"
    return engine.observe(probe, Images(parts=(part,), count=len(entries)), name=words)


def _observations(
    source: ImageSource, answers: Mapping[int, Mapping[tuple[str, str], Any]], skipped: Mapping[int, str], stage: Stage
) -> Iterator[Observation]:
    """Yield one for each image, in order; one that could not be decoded or shown says why."""
    entries = source.entries()
    wanted = {entry.index for entry in entries}
    facts = look_at(source, wanted=wanted, stage=stage, name="images, looked at", threads=usable_cores())
    looks = dict(zip(facts.index.tolist(), looks_of(facts), strict=True))
    reasons = {one.index: one.reason for one in facts.unreadable}
    for row, entry in enumerate(entries):
        error = skipped.get(row) or reasons.get(entry.index)
        if error is None and row not in answers:
            raise ImagesError(f"{entry.path} was changed while it was looked at: run again")
        if error is not None:
            yield Observation(label=entry.label, error=error)
        else:
            yield Observation(looks=looks[entry.index], answers=answers[row], label=entry.label)


def _facts(
    asked: _Asked, source: ImageSource, rows: list[Observation], *, labelled: bool, warnings: tuple[str, ...]
) -> ObservedFacts:
    target, entries = asked.target, source.entries()
    first = next((one for one in rows if one.error is None), None)
    if first is None:
        raise ImagesError(f"none of the {len(rows):,} images in {source.location} could be shown: {rows[0].error}")
    return ObservedFacts(
        version=__version__,
        created=now(),
        target=target_facts(target.model, tuple(layer.tensor for layer in asked.layers), target.device),
        images=sum(one.error is None for one in rows),
        skipped=tuple(
            Skipped(path=entry.path, reason=one.error)
            for entry, one in zip(entries, rows, strict=True)
            if one.error is not None
        ),
        labelled=labelled,
        views=asked.views,
        layers=tuple(layer.name for layer in asked.layers),
        seed=asked.settings.seed if asked.settings.twin else None,
        numbers=sum(int(np.size(value)) for value in first.answers.values()),
        warnings=(*target.notes, *target_warnings(target.model), *warnings),
    )


def _without_names(facts: ObservedFacts, source: ImageSource, key: RedactionKey, place: str) -> ObservedFacts:
    """Return facts without names of images and classes."""
    entries = source.entries()
    veil = Veil.of(key, (*(entry.path for entry in entries), *(source.classes or ())), (place,))
    return replace(facts, skipped=veil.skipped(facts.skipped), warnings=veil.sentences(facts.warnings))


def _parquet(source: ImageSource, rows: list[Observation], key: RedactionKey | None) -> bytes:
    """Return the images as a Parquet file in the form of Hugging Face's datasets; labels and groups where all have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    every = source.entries()
    named = storable if key is None else key.name
    order = range(len(rows)) if key is None else sorted(range(len(rows)), key=lambda row: named(every[row].path))
    entries, rows = [every[row] for row in order], [rows[row] for row in order]
    images = [{"bytes": one.write(), "path": named(entry.path)} for entry, one in zip(entries, rows, strict=True)]
    columns: dict[str, Any] = {"image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))}
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    if all(entry.label is not None for entry in entries):
        columns["label"] = pa.array([entry.label for entry in entries], pa.int64())
        classes = source.numbering if key is None else None
        whole = classes is not None and classes.numbers == tuple(range(len(classes.names)))
        features["label"] = {"names": list(classes.names), "_type": "ClassLabel"} if classes and whole else _INTEGER
    if any(entry.group is not None for entry in entries):
        columns["group"] = pa.array([entry.group and named(entry.group) for entry in entries], pa.string())
        features["group"] = {"dtype": "string", "_type": "Value"}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    sink: Any = pa.BufferOutputStream()
    table = pa.table(columns).replace_schema_metadata(told)
    pq.write_table(table, sink, compression="zstd", row_group_size=_ROWS, write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content
