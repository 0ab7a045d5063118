"""A step of a check: the auditor is trained again from the evidence, and held against that of the run."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import onnx

from onnxmint.engine.local import Local
from onnxmint.errors import OnnxmintError
from onnxmint.images.sources import parse_location
from onnxmint.mint.auditor import METADATA_KEY, Auditor, AuditorContent, load_auditor
from onnxmint.progress import Stage
from onnxmint.results.manifest import Manifest
from onnxmint.results.redaction import RedactionKey
from onnxmint.results.verification import Step
from onnxmint.settings import DeviceChoice, TrainSettings, without_none
from onnxmint.workflows.redacting import without_names
from onnxmint.workflows.rehashing import Places

CLOSE = 0.01
"""Largest difference of AUC on another processor or with other versions, where training ends at other last bits."""
_SAME = ("target_sha256", "preprocess", "method", "classes", "unmeasured")
_OF_IMAGES = ("digest", "is_member")
_SHOWN = 80  # letters of a value


def train_again(
    run: Path,
    manifest: Manifest,
    places: Places,
    device: DeviceChoice,
    stage: Stage,
    *,
    key: RedactionKey | None = None,
) -> Step:
    """Train the auditor of a run again and say whether it is the same.

    Args:
        run: folder of an audit.
        manifest: of it.
        places: where model and known images are.
        device: where the model runs.
        stage: told of the progress.
        key: of names that the run does not tell; None where it tells them.
    """
    from onnxmint.workflows.training import train  # here: PyTorch is wanted for this step only

    why = _why_not(run, manifest, places)
    if why is None and manifest.redaction is not None and key is None:
        why = "the names of the known images are redacted (--redaction-key)"
    if why is not None:
        return _not_done(why)
    (model, *_), (members, *_), (nonmembers, *_) = (
        places.of(name, manifest) for name in ("model", "members", "nonmembers")
    )
    try:
        before, settings = load_auditor(run / "auditor.onnx"), _settings(manifest, device)
        now = train(model, members, nonmembers, settings=settings, engine=Local(stage))
        if key is not None:
            now = without_names(now, key)
    except (OSError, ValueError, OnnxmintError) as problem:
        return _not_done(str(problem).splitlines()[0])
    return _held_against(before, now, manifest)


def _why_not(run: Path, manifest: Manifest, places: Places) -> str | None:
    """Return why an auditor cannot be trained again, None when it can."""
    if manifest.kind != "audit" or not (run / "auditor.onnx").is_file():
        return "the run has no auditor"
    if "auditor_file" in manifest.command:
        return "the run was given its auditor (--auditor): how that was trained, the run does not say"
    if "time" in manifest.command:
        return "how much was trained on was cut to a time (--time), which is another on another machine"
    for name, words in (("model", "the model"), ("members", "the known members"), ("nonmembers", "the non-members")):
        found = places.of(name, manifest)
        if not found or not parse_location(found[0]).path.exists():
            return f"{words} {'is' if name == 'model' else 'are'} not there (--{name})"
    return None


def _settings(manifest: Manifest, device: DeviceChoice) -> TrainSettings:
    """Return what the command of the run chose for the training; the rest are the defaults."""
    hints, chosen = get_type_hints(TrainSettings), dict[str, Any]()
    folder = Path(json.loads(manifest.command.get("folder", '"."')))
    for one in fields(TrainSettings):
        if one.name in manifest.command and one.name != "device":
            chosen[one.name] = _value(json.loads(manifest.command[one.name]), without_none(hints[one.name]), folder)
    return TrainSettings(**chosen, device=device)


def _value(word: Any, hint: Any, folder: Path) -> Any:
    """Return a word of a command as the setting that it was."""
    if get_origin(hint) is tuple:
        return tuple(_value(part, get_args(hint)[0], folder) for part in word)
    if hint is Path:
        return folder / word
    there = isinstance(word, str) and (folder / word).exists()
    return str(folder / word) if there else word


def _held_against(before: Auditor, now: Auditor, manifest: Manifest) -> Step:
    if _facts(before) == _facts(now):
        text = "training again gives the same auditor, byte for byte but for the time that it was made"
        return Step(name="retraining", outcome="passed", text=text)
    wrong = list(_apart(before, now))
    if wrong:
        text = "training again gives another auditor"
        return Step(name="retraining", outcome="failed", text=text, differences=tuple(wrong))
    far = float(np.abs(before.yardstick.score - now.yardstick.score).max())
    text = (
        f"training again gives the same auditor but for last bits: {_aucs(before, now)}, scores of known images differ "
        f"by at most {far:.2g}; the run was made on {manifest.software.processor or 'an unnamed processor'}"
    )
    return Step(name="retraining", outcome="passed", text=text)


def _facts(auditor: Auditor) -> tuple[bytes, object]:
    """Return the graph of an auditor, and what it says beside it, without the time that it was made."""
    proto = onnx.load_model_from_string(auditor.model)
    found = {entry.key: entry.value for entry in proto.metadata_props}
    del proto.metadata_props[:]
    told = json.loads(found.pop(METADATA_KEY))
    del told["created"]
    return proto.SerializeToString(deterministic=True), (told, found)


def _apart(before: AuditorContent, now: AuditorContent) -> Iterator[str]:
    """Yield what differs by more than last bits."""
    for name in _SAME:
        old, new = getattr(before, name), getattr(now, name)
        if name == "method" and old != new:  # losses and epochs are last bits
            old, new = (replace(one, validation_loss=None, best_epochs=()) for one in (old, new))
        if old != new:
            yield f"{name}: {str(old)[:_SHOWN]} is written, {str(new)[:_SHOWN]} is found"
    for name in _OF_IMAGES:
        if not np.array_equal(getattr(before.traces, name), getattr(now.traces, name)):
            yield "the known images are others, or stand in another order"
            return
    if before.yardstick.score.shape != now.yardstick.score.shape:
        yield f"{len(before.yardstick.score):,} known images were held out, now {len(now.yardstick.score):,}"
    elif before.performance is not None and now.performance is not None:
        gap = abs(before.performance.auc.value - now.performance.auc.value)
        if gap > CLOSE:
            yield f"{_aucs(before, now)}: apart by more than {CLOSE:g}"
    if [(one.name, one.passed) for one in before.controls] != [(one.name, one.passed) for one in now.controls]:
        yield "other controls passed or failed"


def _aucs(before: AuditorContent, now: AuditorContent) -> str:
    old, new = before.performance, now.performance
    if old is None or new is None:
        return "AUC unknown"
    return f"AUC {old.auc.value:.4f} is written, {new.auc.value:.4f} is found"


def _not_done(why: str) -> Step:
    return Step(name="retraining", outcome="not done", text=f"cannot check: {why}")
