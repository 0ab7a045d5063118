"""Mutated ONNX models: mostly valid graphs that nobody would write, some damaged, some changed without meaning."""

import contextlib
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
from damage import DAMAGE, flipped
from edits import EDITS
from google.protobuf.message import EncodeError
from graphs import Graph
from PIL import Image
from seeds import model_seeds
from trial import Trial

_LARGEST = 400_000  # bytes of a seed
_KEPT_OUT = ("name", "tensor")  # of a layer: a harmless edit may rename it
_RENAMES = ("model", "sha256", "notes", "layers", "answer_tensor")


class Models:
    """Mutated models, through `layers`, `expose-layer` and `check`."""

    name, share = "models", 0.35

    def __init__(self) -> None:
        """Know no seeds yet."""
        self._seeds: Mapping[str, bytes] = {}
        self._plain: dict[str, Any] = {}
        self._images = Path()

    def prepare(self, work: Path) -> None:
        """Read the seeds, and make a few images."""
        self._seeds = model_seeds(_LARGEST)
        self._images = work / "few-images"
        rng = random.Random(0)
        for name in ("a/1.png", "a/2.png", "b/3.png", "b/4.png"):
            (self._images / name).parent.mkdir(parents=True, exist_ok=True)
            Image.frombytes("RGB", (32, 32), rng.randbytes(3072)).save(self._images / name)

    def case(self, trial: Trial, rng: random.Random) -> None:
        """Change a seed and give it to a command."""
        seed = rng.choice(sorted(self._seeds))
        file = trial.folder / "m.onnx"
        how = rng.random()
        if how < 0.08:
            self._harmless(trial, rng, seed, file)
            return
        data = self._mutated(rng, self._seeds[seed], how)
        file.write_bytes(data)
        (trial.folder / "w.bin").write_bytes(bytes(4096))
        with contextlib.suppress(OSError):
            (trial.folder / "link.bin").symlink_to("../secret.bin")
        trial.marks += checked(data)
        self._ask(trial, rng, file)

    def _mutated(self, rng: random.Random, seed: bytes, how: float) -> bytes:
        model = onnx.ModelProto.FromString(seed)
        if how < 0.72:
            graph = Graph(inferred(model), rng)
            for _ in range(rng.choice([1, 1, 2, 3])):
                with contextlib.suppress(IndexError):  # there is nothing that this edit could change
                    rng.choice(EDITS)(graph)
            model = inferred(graph.model)
        elif how < 0.94:
            for _ in range(rng.choice([1, 1, 2, 3])):
                with contextlib.suppress(ValueError, TypeError, IndexError):  # the edit does not fit: the others do
                    rng.choice(DAMAGE)(model, rng)
        else:
            return flipped(seed, rng)
        try:
            return model.SerializeToString()
        except (EncodeError, ValueError):
            return flipped(seed, rng)

    def _ask(self, trial: Trial, rng: random.Random, file: Path) -> None:
        how = rng.random()
        if how < 0.5:
            trial.command("layers", file, *(["--json"] if rng.random() < 0.3 else []))
        elif how < 0.9:
            words = ["--layer", rng.choice(["auto", "auto", "0", "1", "2", "penultimate", "logits"])]
            words += ["--cut"] if rng.random() < 0.5 else []
            words += rng.choice([[], [], ["--pool", "2x2"], ["--dtype", "float16"]])
            said = trial.command("expose-layer", file, *words, "-o", trial.folder / "out.onnx")
            if said.done and "--cut" not in words:
                self._same_answers(trial, file)
        else:
            trial.may_read = (self._images,)
            trial.command("check", file, self._images, "-q", "--device", "cpu", "--preprocess", "0-1")

    def _same_answers(self, trial: Trial, file: Path) -> None:
        """Ask for the layers of what was made: its answer must be the one that was."""
        with trial.unhurried():
            first = trial.command("layers", file, "--json")
            words = ["--answer", json.loads(first.out)["answer"]] if first.done else []
            second = trial.command("layers", trial.folder / "out.onnx", "--json", *words)
        if first.done and second.done:
            one, two = json.loads(first.out), json.loads(second.out)
            keys = ("answer", "answer_kind", "classes", "input_name", "input_dtype", "input_layout")
            found = [
                [said[key] for key in keys] + said["input_shape"][1:] for said in (two, one)
            ]  # a batch may be freed
            trial.same(found[0], found[1], "expose-layer changed what is read")
        elif first.done:
            trial.found("wrong", "an exposed model is refused", second.err[:300])

    def _harmless(self, trial: Trial, rng: random.Random, seed: str, file: Path) -> None:
        """Change what has no meaning: the layers must be the same."""
        trial.marks.append("harmless")
        model = onnx.ModelProto.FromString(self._seeds[seed])
        for edit in rng.sample(_HARMLESS, 3):
            edit(model, rng)
        plain = trial.folder / "plain.onnx"
        plain.write_bytes(self._seeds[seed])
        file.write_bytes(model.SerializeToString())
        trial.marks += checked(file.read_bytes())
        with trial.unhurried():
            said = [trial.command("layers", one, "--json") for one in (plain, file)]
        if any(one.done for one in said):
            found = [_meaning(one.out) if one.done else one.err for one in said]
            trial.same(found[1], found[0], "layers of a model changed without meaning")


def inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model with the shapes inferred anew, those of its outputs too."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    kept = {value.name: onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in copy.graph.output}
    for value in copy.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        made = onnx.shape_inference.infer_shapes(copy)
    except (RuntimeError, ValueError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return model
    for value in made.graph.output:
        if not value.type.tensor_type.HasField("shape"):
            value.CopyFrom(kept[value.name])
    return made


def checked(data: bytes) -> list[str]:
    """Return how far the ONNX checker lets a file."""
    try:
        onnx.checker.check_model(data)
    except (onnx.checker.ValidationError, RuntimeError, ValueError, MemoryError):
        return []
    try:
        onnx.checker.check_model(data, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError, ValueError, MemoryError):
        return ["past the checker"]
    return ["past the checker", "past it with shapes"]


def _meaning(text: str) -> dict[str, Any]:
    said = json.loads(text)
    layers = [{key: value for key, value in layer.items() if key not in _KEPT_OUT} for layer in said["layers"]]
    return {key: value for key, value in said.items() if key not in _RENAMES} | {"layers": layers}


def _node_names(model: onnx.ModelProto, rng: random.Random) -> None:
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"


def _texts(model: onnx.ModelProto, rng: random.Random) -> None:
    model.doc_string = model.graph.doc_string = "\x1b[31mtext"
    model.producer_name, model.model_version = "\u202ex", 3


def _no_shapes(model: onnx.ModelProto, rng: random.Random) -> None:
    del model.graph.value_info[:]


def _unused(model: onnx.ModelProto, rng: random.Random) -> None:
    model.graph.initializer.append(onnx.helper.make_tensor("fuzz_unused", 1, [2], [0.0, 1.0]))


def _properties(model: onnx.ModelProto, rng: random.Random) -> None:
    entry = model.metadata_props.add()
    entry.key, entry.value = "fuzz", "\x07" * 9


def _weights_order(model: onnx.ModelProto, rng: random.Random) -> None:
    made = [onnx.TensorProto.FromString(one.SerializeToString()) for one in model.graph.initializer]
    rng.shuffle(made)
    del model.graph.initializer[:]
    model.graph.initializer.extend(made)


_HARMLESS: tuple[Callable[[onnx.ModelProto, random.Random], None], ...] = (
    _node_names, _texts, _no_shapes, _unused, _properties, _weights_order,
)  # fmt: skip
