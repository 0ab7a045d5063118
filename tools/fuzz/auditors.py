"""Auditor files that were edited: their facts, their packed arrays, their graph; through `audit`."""

import base64
import contextlib
import copy
import json
import random
from pathlib import Path
from typing import Any

import onnx
import pyarrow.parquet as pq
from damage import DAMAGE, flipped
from edits import EDITS
from google.protobuf.message import EncodeError
from graphs import Graph
from making import MODULES, made_auditor
from seeds import DEMO
from trees import edited, shuffled, text_of
from trial import Trial

from onnxmint.mint.auditor import METADATA_KEY

_IMAGES = f"{DEMO / 'questioned.parquet'}?rows=0:12"


class Auditors:
    """Edited auditors of the bundled target."""

    name, share = "auditors", 0.12

    def __init__(self) -> None:
        """Know none yet."""
        self._made: dict[str, tuple[bytes, Any]] = {}

    def prepare(self, work: Path) -> None:
        """Train an auditor of each module, unless there are some of this version."""
        for module in MODULES:
            data = made_auditor(work, module).read_bytes()
            self._made[module] = data, json.loads(_facts_of(onnx.ModelProto.FromString(data)))

    def case(self, trial: Trial, rng: random.Random) -> None:
        """Change an auditor and audit with it."""
        module = rng.choice(MODULES)
        data, facts = self._made[module]
        trial.marks.append(module)
        file, how = trial.folder / "a.onnx", rng.random()
        model = onnx.ModelProto.FromString(data)
        if how < 0.06:
            self._harmless(trial, rng, data, model, facts)
            return
        if how < 0.6:
            tree = facts
            for _ in range(rng.choice([1, 1, 1, 2])):
                tree = edited(tree, rng)
            data = _with_facts(model, text_of(tree, rng))
        elif how < 0.78:
            data = _with_facts(model, json.dumps(_with_odd_array(facts, rng)).encode())
        elif how < 0.93:
            data = _with_other_graph(model, rng, data)
        else:
            data = flipped(data, rng)
        file.write_bytes(data)
        self._audit(trial, file, rng, "run")

    def _audit(self, trial: Trial, file: Path, rng: random.Random, name: str) -> Any:
        """Audit a few images with it and render its report again; return the scores."""
        trial.may_read = (DEMO,)
        words = ["--no-controls"] if rng.random() < 0.7 else []
        run = trial.folder / name
        said = trial.command(
            "audit",
            DEMO / "target.onnx",
            _IMAGES,
            "--auditor",
            file,
            "-q",
            "--no-record",
            "--device",
            "cpu",
            *words,
            "-o",
            run,
        )
        if not said.done:
            return said.err
        trial.marks.append("audited")
        if not trial.command("report", run).done:
            trial.found("wrong", "an audit's own run is refused")
        return pq.read_table(run / "scores.parquet").to_pydict()

    def _harmless(self, trial: Trial, rng: random.Random, data: bytes, model: onnx.ModelProto, facts: Any) -> None:
        """Lay the facts out otherwise: the scores must be the same."""
        trial.marks.append("harmless")
        model.doc_string = "\x1b[31mtext"
        other = _with_facts(model, json.dumps(shuffled(facts, rng), indent=3).encode())
        found = []
        for name, content in (("plain", data), ("other", other)):
            file = trial.folder / f"{name}.onnx"
            file.write_bytes(content)
            with trial.unhurried():
                found.append(self._audit(trial, file, random.Random(0), f"run-{name}"))
        trial.same(found[1], found[0], "scores of an auditor whose facts are laid out otherwise")


def _facts_of(model: onnx.ModelProto) -> str:
    return next(entry.value for entry in model.metadata_props if entry.key == METADATA_KEY)


def _with_facts(model: onnx.ModelProto, text: bytes) -> bytes:
    """Return the file with other facts, also such as are no UTF-8."""
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = text.decode("utf-8", "replace")
    made: bytes = model.SerializeToString()
    return made


def _with_odd_array(facts: Any, rng: random.Random) -> Any:
    """Return facts in one of whose packed arrays something is changed."""
    tree = copy.deepcopy(facts)
    packed = [found for found in _packed(tree) if found["data"]]
    if not packed:
        return edited(tree, rng)
    one = rng.choice(packed)
    raw, how = bytearray(base64.b64decode(one["data"])), rng.randrange(6)
    if how == 0:
        for _ in range(20):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
    elif how == 1:
        raw = bytearray(len(raw))
    elif how == 2:
        raw = raw[: len(raw) // 2]
    elif how == 3:
        one["shape"] = rng.choice(
            [[1], [-1], [len(raw)], [0], one["shape"][::-1], [1] * 40 + one["shape"], [2**62], []]
        )
    elif how == 4:
        one["dtype"] = rng.choice(["float64", "object", "int8", "U5", "V9", "m8", ""])
    else:
        raw = bytearray(b"\xff" * len(raw))
    one["data"] = base64.b64encode(bytes(raw)).decode()
    return tree


def _packed(tree: Any) -> list[dict[str, Any]]:
    if isinstance(tree, dict):
        own = [tree] if {"dtype", "data", "shape"} <= set(tree) else []
        return own + [found for value in tree.values() for found in _packed(value)]
    return [found for value in tree for found in _packed(value)] if isinstance(tree, list) else []


def _with_other_graph(model: onnx.ModelProto, rng: random.Random, plain: bytes) -> bytes:
    """Return the file with its graph changed, with care or without."""
    if rng.random() < 0.5:
        with contextlib.suppress(IndexError):  # there is nothing that this edit could change
            rng.choice(EDITS)(Graph(model, rng))
    else:
        with contextlib.suppress(ValueError, TypeError, IndexError):  # the edit does not fit
            rng.choice(DAMAGE)(model, rng)
    try:
        made: bytes = model.SerializeToString()
    except (EncodeError, ValueError):
        return flipped(plain, rng)
    return made
