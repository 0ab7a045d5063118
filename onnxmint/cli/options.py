"""Options that several commands share, spelled once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from onnxmint.settings import MODULES

Command = Callable[..., Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout, nothing else.")
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs; cuda fails when it cannot be had, auto says what it took and why.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random choice."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
batch_option = click.option(
    "--batch-size",
    type=click.IntRange(1, 4096),
    default=None,
    metavar="N",
    help="Images in one run of the model; the default suits device and views, and only speed and memory depend on it.",
)

answer_option = click.option(
    "--answer", metavar="OUTPUT", help="Output of the model that holds the class scores, where it has several."
)

PREPROCESS = (
    "imagenet, cifar10, 0-1, -1-1, 0-255, torchvision:WEIGHTS, keras:MODE, a TOML file, Hugging Face's "
    "preprocessor_config.json, timm's config.json, or a folder with one"
)

_KNOWN_IMAGES = (
    answer_option,
    click.option(
        "--preprocess",
        metavar="PRESET|FILE",
        help=f"How the target's images are prepared: {PREPROCESS}. Without it, what is declared beside the model or in "
        "its metadata is taken, and the report says so.",
    ),
    click.option(
        "--views",
        type=click.Choice(["2", "14", "26"]),
        default="26",
        show_default=True,
        help="How many views of each image the model is shown; the time grows with them.",
    ),
    click.option(
        "--group",
        metavar="COLUMN|REGEX",
        help="Column (or, for folders, a pattern on the path) that says which images belong together, such as "
        "frames of one video; a group is never divided between fitting and testing.",
    ),
    click.option("--no-labels", is_flag=True, help="Do not take sub-folder names or label columns as labels."),
    click.option(
        "--limit",
        type=click.IntRange(min=1),
        metavar="N",
        help="Use at most N members and N non-members, drawn at random with --seed.",
    ),
)
_MODULE = (
    click.option(
        "--module",
        type=click.Choice(["auto", *(kind.name for kind in MODULES)]),
        default="auto",
        show_default=True,
        help=f"{'; '.join(f'{kind.name} {kind.words}' for kind in MODULES)}. auto takes views if it is surely better "
        "than phi on the fit part.",
    ),
    click.option(
        "--layer",
        "layers",
        multiple=True,
        default=("auto",),
        show_default="auto",
        metavar="LAYER",
        help="Layer that cnn or vanilla reads: a name or index of onnxmint layers, auto, penultimate, logits. Several "
        "are read as one.",
    ),
    click.option(
        "--folds",
        type=click.IntRange(2, 20),
        metavar="K",
        help="Cross-fit in K folds: every known image is fitted on and tested by the others. For scarce evidence; auto "
        "then means views.",
    ),
    click.option(
        "--reference",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help="Another classifier (.onnx) of the same task, not trained on these images; can be repeated. Shows what is "
        "difficulty and not membership. Without one (or with auto) small ones are learned from the known images.",
    ),
    click.option("--no-controls", is_flag=True, help="Skip the controls; a verdict is weaker without them."),
)


def known_image_options(command: Command) -> Command:
    """Add the options that say how known images are read and shown to the target."""
    for option in reversed(_KNOWN_IMAGES):
        command = option(command)
    return command


def module_options(command: Command) -> Command:
    """Add the options that say what an auditor is made of, and how known images are read."""
    for option in reversed(_MODULE):
        command = option(command)
    return known_image_options(command)
