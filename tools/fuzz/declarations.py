"""Files that declare something and were written by strangers: preprocessing, class names, metadata of a model."""

import contextlib
import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import tomli_w
from seeds import DEMO
from trees import ODD, damaged, edited, shuffled, text_of
from trial import Trial

from onnxmint.images.classes import read_names
from onnxmint.preprocess.declaring import declared_beside, load_spec

_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_TOMLS: tuple[dict[str, Any], ...] = (
    {"scale": 1 / 255, "resize": "squash", "size": [32, 32]},
    {"size": [40, 40], "resize": "shortest", "filter": "bilinear", "resampler": "pillow", "crop": [32, 32],
    "channels": "rgb",
     "crop_rule": "torchvision", "pad": 0, "transparency": "drop", "orientation": "ignore", "scale": 1 / 255,
     **_IMAGENET},
    {"crop_fraction": 0.875, "resize": "shortest", "scale": 1 / 255},
    {"size": [32, 32], "layout": "nchw", "scale": 1.0},
)  # fmt: skip
_VIT = {
    "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5,
    0.5, 0.5],
    "image_processor_type": "ViTImageProcessor", "resample": 2, "rescale_factor": 1 / 255, "size": {"height": 32,
    "width": 32},
}  # fmt: skip
_CONVNEXT = {
    "crop_pct": 0.875, "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": _IMAGENET["mean"],
    "image_std": _IMAGENET["std"], "image_processor_type": "ConvNextImageProcessor", "resample": 3,
    "rescale_factor": 1 / 255, "size": {"shortest_edge": 32},
}  # fmt: skip
_CLIP = {
    "crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
    "do_rescale": True, "do_resize": True, "image_mean": [0.48, 0.45, 0.4], "image_std": [0.26, 0.26, 0.27],
    "resample": 3,
    "image_processor_type": "CLIPImageProcessorFast", "rescale_factor": 1 / 255, "size": {"shortest_edge": 32},
}  # fmt: skip
_TIMM = {
    "architecture": "resnet18", "num_classes": 10,
    "pretrained_cfg": {"input_size": [3, 32, 32], "crop_pct": 0.95, "crop_mode": "center", "interpolation": "bicubic",
                       **_IMAGENET, "num_classes": 10, "fixed_input_size": False},
}  # fmt: skip
_JSONS = (("preprocessor_config.json", _VIT), ("preprocessor_config.json", _CONVNEXT), ("preprocessor_config.json",
_CLIP),
          ("processor_config.json", {"image_processor": _VIT}), ("config.json", _TIMM))  # fmt: skip
_METADATA = {
    "names": "{0: 'a', 1: 'b'}", "imgsz": "[32, 32]", "task": "classify", "stride": "1", "mean": "[0.5, 0.5, 0.5]",
    "std": "[0.5, 0.5, 0.5]", "Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "NominalRange_0_255",
    "author": "Ultralytics", "args": "{'batch': 1}", "batch": "1", "channels": "3",
}  # fmt: skip
_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_DATA = f"{DEMO / 'questioned.parquet'}?rows=0:8"


class Declarations:
    """One case in one of the forms."""

    def __init__(self) -> None:
        """Read the bundled model."""
        self._target = (DEMO / "target.onnx").read_bytes()

    def case(self, trial: Trial, rng: random.Random) -> None:
        """Write a declaration and have it read."""
        how = rng.random()
        if how < 0.3:
            self._toml(trial, rng)
        elif how < 0.65:
            self._json(trial, rng)
        elif how < 0.8:
            self._metadata(trial, rng)
        else:
            self._classes(trial, rng)

    def _toml(self, trial: Trial, rng: random.Random) -> None:
        trial.marks.append("preprocessing in TOML")
        file, tree = trial.folder / "p.toml", rng.choice(_TOMLS)
        file.write_text(tomli_w.dumps(tree))
        if rng.random() < 0.1:
            self._harmless(trial, file, tomli_w.dumps(shuffled(tree, rng)).replace("\n", "  # text\n").encode())
            return
        odd = tuple(one for one in ODD if one is not None)
        for _ in range(rng.choice([1, 1, 2])):
            tree = edited(tree, rng, odd=odd)
        with contextlib.suppress(TypeError, ValueError, AttributeError, UnicodeEncodeError):  # TOML has no word for it
            text = tomli_w.dumps(tree).encode()
            file.write_bytes(damaged(text, rng) if rng.random() < 0.2 else text)
        self._read(trial, rng, file)

    def _json(self, trial: Trial, rng: random.Random) -> None:
        name, tree = rng.choice(_JSONS)
        trial.marks.append(f"preprocessing in {name}")
        file = trial.folder / name
        file.write_text(json.dumps(tree))
        if rng.random() < 0.1:
            self._harmless(trial, file, json.dumps(shuffled(tree, rng), indent=5).encode())
            return
        made = tree
        for _ in range(rng.choice([1, 1, 2])):
            made = edited(made, rng)
        file.write_bytes(text_of(made, rng))
        self._read(trial, rng, rng.choice([file, trial.folder]))

    def _metadata(self, trial: Trial, rng: random.Random) -> None:
        """Put a declaration into the metadata of a model."""
        trial.marks.append("preprocessing in metadata")
        model, file = onnx.ModelProto.FromString(self._target), trial.folder / "m.onnx"
        for key in rng.sample(sorted(_METADATA), rng.randrange(1, 8)):
            text = _METADATA[key].encode()
            text = damaged(text, rng) if rng.random() < 0.4 else text
            model.metadata_props.add(key=key, value=text.decode("utf-8", "replace"))
        file.write_bytes(model.SerializeToString())
        trial.call(declared_beside, file, {one.key: one.value for one in model.metadata_props})
        trial.may_read = (DEMO,)
        if rng.random() < 0.4:
            trial.command("check", file, _DATA, "-q", "--device", "cpu", "--no-labels")
        else:
            self._read(trial, rng, file)

    def _read(self, trial: Trial, rng: random.Random, place: Path) -> None:
        trial.may_read = (DEMO,)
        if rng.random() < 0.3:
            out = ["-o", trial.folder / "best.toml"] if rng.random() < 0.3 else []
            words = ("check", DEMO / "target.onnx", _DATA, "--preprocess", place, "-q", "--device", "cpu")
            trial.command(*words, *out)
        else:
            trial.call(load_spec, str(place))

    def _harmless(self, trial: Trial, file: Path, text: bytes) -> None:
        trial.marks.append("harmless")
        first = trial.call(load_spec, str(file))
        file.write_bytes(text)
        second = trial.call(load_spec, str(file))
        found = [None if one is None else asdict(one) for one in (first, second)]
        trial.same(found[1], found[0], "a declaration laid out otherwise")

    def _classes(self, trial: Trial, rng: random.Random) -> None:
        trial.marks.append("class names")
        as_json = rng.random() < 0.5
        file = trial.folder / ("config.json" if as_json else "names.txt")
        if as_json:
            tree: Any = {"id2label": {str(at): name for at, name in enumerate(_NAMES)}}
            file.write_bytes(text_of(edited(tree, rng), rng))
        else:
            names = list(_NAMES)
            for _ in range(rng.choice([0, 1, 2])):
                names[rng.randrange(10)] = rng.choice([one for one in ODD if isinstance(one, str)])
            text = "\n".join(names).encode("utf-8", "surrogatepass")
            file.write_bytes(damaged(text, rng) if rng.random() < 0.4 else text)
        trial.may_read = (DEMO,)
        if rng.random() < 0.3:
            words = (
                "check",
                DEMO / "target.onnx",
                _DATA,
                "--classes",
                file,
                "--preprocess",
                "0-1",
                "-q",
                "--device",
                "cpu",
            )
            trial.command(*words)
        else:
            trial.call(read_names, file)
