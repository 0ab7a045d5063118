"""One model tried with all that onnxmint does, through its command line. The tests and tools/fixtures/matrix.py use it.

What comes out is compared with plain onnxruntime: the target's answers, and the scores of the auditor's file.
"""

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from onnxmint.cli.main import run
from onnxmint.methods.signals import Observed, phi
from tests.models.images import Images, draw_pools, write_parquet

MODELS = Path(__file__).parent
SCORES = 1e-4  # relative to the larger of 1 and the score: as far as the auditor's file may be from the audit
_PRESETS: Mapping[str, tuple[float, tuple[float, ...], tuple[float, ...]]] = {  # scale, mean, deviation
    "0-255": (1, (0,), (1,)),
    "0-1": (1 / 255, (0,), (1,)),
    "-1-1": (1 / 255, (0.5,), (0.5,)),
    "imagenet": (1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
_TYPES = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(uint8)": np.uint8,
}  # fmt: skip


class Refused(Exception):
    """onnxmint ended with an error; the text is its one line."""


class Wrong(Exception):
    """onnxmint gave a result that plain onnxruntime contradicts."""


def entries() -> dict[str, dict[str, Any]]:
    """Return what is known of each model, by name."""
    found: dict[str, dict[str, Any]] = json.loads((MODELS / "models.json").read_text(encoding="utf-8"))
    return found


def ask(*words: object) -> Any:
    """Run a command with --json and return what it prints.

    Raises:
        Refused: with the line that it ends with.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(word) for word in (*words, "--json")])
    if code:
        raise Refused(err.getvalue().strip().splitlines()[-1])
    return json.loads(out.getvalue())


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Images on disk: what a user would give, and the questioned ones as arrays."""

    members: str
    nonmembers: str
    questioned: str
    asked: Images


def evidence(size: int, folder: Path, *, limit: int | None = None) -> Evidence:
    """Write the images of one size, at most `limit` known ones of each kind."""
    pools, some = draw_pools(size), slice(limit)
    known = [Images(pixels=part.pixels[some], labels=part.labels[some]) for part in (pools.members, pools.nonmembers)]
    return Evidence(
        members=str(write_parquet(known[0], folder / f"members{size}.parquet")),
        nonmembers=str(write_parquet(known[1], folder / f"nonmembers{size}.parquet")),
        questioned=str(write_parquet(pools.questioned, folder / f"questioned{size}.parquet")),
        asked=pools.questioned,
    )


class Trial:
    """A model, its evidence, and a folder for what is made of them."""

    def __init__(self, path: Path, entry: Mapping[str, Any], given: Evidence, folder: Path) -> None:
        """Write the preprocessing file, where there is one."""
        self.path, self.entry, self.given, self.folder = path, entry, given, folder
        self.preprocess: tuple[str, ...] = ()
        stated = entry["preprocess"]
        if isinstance(stated, dict):
            file = folder / f"{path.stem}.toml"
            file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in stated.items()))
            self.preprocess = ("--preprocess", str(file))
        elif stated is not None:
            self.preprocess = ("--preprocess", stated)

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        """List the layers."""
        found: list[dict[str, Any]] = ask("layers", self.path)["layers"]
        return found

    def expose(self, *tensors: str, cut: bool) -> None:
        """Tap or cut at layers; the command itself compares all values with the original's."""
        wanted = [word for tensor in tensors for word in ("--layer", tensor)]
        ask(
            "expose-layer",
            self.path,
            *wanted,
            *(["--cut"] if cut else []),
            "-o",
            self.folder / "exposed.onnx",
            "--overwrite",
        )

    def check(self) -> int:
        """Rank the known preprocessings; return the place of the declared one, from 1 on; 0 without one."""
        found = ask("check", self.path, self.given.members, *self.preprocess, "-q")
        names = [row["name"] for row in found["variants"]]
        return 0 if found["declared"] is None else names.index(found["declared"]) + 1

    def train(self, *options: str) -> Path:
        """Train an auditor."""
        auditor = self.folder / "auditor.onnx"
        ask(
            "train", self.path, "--members", self.given.members, "--nonmembers", self.given.nonmembers,
            *self.preprocess, *options, "--device", "cpu", "-q", "-o", auditor,
        )  # fmt: skip
        return auditor

    def audit(self, auditor: Path, *options: str) -> dict[str, NDArray[Any]]:
        """Audit the questioned images; return scores and what the target says, by column."""
        out = self.folder / "run"
        ask(
            "audit",
            self.path,
            self.given.questioned,
            "--auditor",
            auditor,
            *options,
            "--device",
            "cpu",
            "-q",
            "-o",
            out,
        )
        table = pq.read_table(out / "scores.parquet", columns=["score", "predicted"])
        return {name: table[name].to_numpy() for name in table.column_names}

    def compare(self, auditor: Path, audited: Mapping[str, NDArray[Any]]) -> None:
        """Hold an audit against onnxruntime alone: the target run as its authors would, and the auditor's file.

        Raises:
            Wrong: they differ.
        """
        answers = plain_answers(self.path, self.entry, self.given.asked)
        agree = float((answers.argmax(1) == audited["predicted"]).mean())
        if agree < 0.99:  # a tie may fall either way once the graph is optimised
            raise Wrong(f"the audit's top classes are those of plain onnxruntime for {agree:.0%} of the images only")
        if mixes(self.entry):  # its auditors score by the log-odds of the image itself, so the values can be compared
            own = phi(Observed(answer=answers, kind="logits", labels=self.given.asked.labels))
            worst = np.max(np.abs(own - audited["score"]) / np.maximum(1, np.abs(own)))
            if not worst <= SCORES:
                raise Wrong(f"the audit's log-odds differ from those of plain onnxruntime by {worst:.1g}")
        session = _session(auditor)
        feeds = {"label": self.given.asked.labels}
        entry = next(value for value in session.get_inputs() if value.name != "label")
        feeds[entry.name] = _gray(self.given.asked.pixels) if entry.shape[3] == 1 else self.given.asked.pixels
        taken = {value.name: feeds[value.name] for value in session.get_inputs()}
        step = entry.shape[0] if isinstance(entry.shape[0], int) else len(self.given.asked.labels)
        parts = [
            session.run(["score"], {name: values[start : start + step] for name, values in taken.items()})[0]
            for start in range(0, len(self.given.asked.labels), step)
        ]
        score = np.concatenate(parts)
        worst = np.max(np.abs(score - audited["score"]) / np.maximum(1, np.abs(audited["score"])))
        if not worst <= SCORES:
            raise Wrong(f"the auditor's file alone gives scores that differ by {worst:.1g}")


def mixes(entry: Mapping[str, Any]) -> bool:
    """Say whether a model's answer to an image hangs on the others in its batch, over which its scales are taken."""
    return "DynamicQuantizeLinear" in entry["special"]


def plain_answers(path: Path, entry: Mapping[str, Any], images: Images) -> NDArray[np.float64]:
    """Return what a model says of images, (n, classes), run as its authors would: by NumPy and onnxruntime only."""
    session = _session(path)
    image = session.get_inputs()[0]
    pixels = _prepared(images.pixels, entry)
    if len(image.shape) == 2:
        pixels = pixels.reshape(len(pixels), -1)
    elif image.shape[3] not in (1, 3):
        pixels = pixels.transpose(0, 3, 1, 2)
        pixels = _gray(images.pixels).transpose(0, 3, 1, 2) / 255 if image.shape[1] == 1 else pixels
    pixels = np.ascontiguousarray(pixels.astype(_TYPES[image.type]))
    step = image.shape[0] if isinstance(image.shape[0], int) else len(pixels)
    step = 1 if mixes(entry) else step
    parts = [
        session.run([entry["answer"]], {image.name: pixels[start : start + step]})[0]
        for start in range(0, len(pixels), step)
    ]
    if isinstance(parts[0], list):  # ZipMap: a list of class -> probability
        parts = [np.array([[row[key] for key in sorted(row)] for row in part]) for part in parts]
    return np.concatenate(parts).astype(np.float64)


def _prepared(pixels: NDArray[np.uint8], entry: Mapping[str, Any]) -> NDArray[Any]:
    stated = entry["preprocess"]
    if stated is None:
        return pixels
    if isinstance(stated, dict):
        numbers = (stated["scale"], stated.get("mean", (0,)), stated.get("std", (1,)))
    else:
        numbers = _PRESETS[stated]
    scale, mean, deviation = (np.float32(number) for number in numbers)
    prepared: NDArray[np.float32] = (pixels.astype(np.float32) * scale - mean) / deviation
    return prepared


def _gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in pixels])[:, :, :, None]


def _session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
