"""Options that several commands share, and how options are read off settings: one named as a field is that field."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click

from onnxmint.errors import UsageError
from onnxmint.kinds import MODULES, OfModules, readers_of_layers
from onnxmint.places.words import local_path, shown, uri_of
from onnxmint.settings import EvidenceSettings, ImageSettings, TrainSettings, without_none

Command = Callable[..., Any]
_SECONDS = {"s": 1, "m": 60, "min": 60, "": 60, "h": 3600}
Settings = TypeVar("Settings", bound=ImageSettings)

GATES = {"no-evidence": 0, "members-found": 3, "inconclusive": 4}  # exit codes of --gate


def settings_of(kind: type[Settings], options: Mapping[str, Any]) -> Settings:
    """Return settings from the options that are named as their fields; the rest are the defaults."""
    names = [field.name for field in fields(kind)]
    return kind(**{name: options[name] for name in names if name in options})


def setting(kind: type[ImageSettings], field: str, *words: str, **details: Any) -> Callable[[Command], Command]:
    """Return the option for a field: its choices or range, and its default, are those of the settings.

    Args:
        kind: of settings.
        field: of them.
        words: as the option is written, when not as the field.
        details: help, metavar and further arguments of `click.option`.
    """
    default = next(one.default for one in fields(kind) if one.name == field)
    hint = get_type_hints(kind, include_extras=True)[field]
    written = words or (f"--{field.replace('_', '-')}",)
    if default not in (MISSING, None) and "default" not in details:
        details = {"default": default, "show_default": True, **details}
    return click.option(*written, field, type=_type(without_none(hint)), **details)


def _type(hint: Any) -> Any:
    """Return the type of an option, None for text."""
    inside = get_args(hint)
    if get_origin(hint) is Literal:
        return click.Choice(inside) if isinstance(inside[0], str) else _Numbers(list(map(str, inside)))
    if get_origin(hint) is tuple:
        return _type(inside[0])
    if get_origin(hint) is Annotated:
        kind, limit = inside
        if isinstance(limit, OfModules):
            return click.Choice(limit.names)
        range_of = click.IntRange if kind is int else click.FloatRange
        return range_of(limit.low, limit.high, min_open=limit.above, max_open=limit.below)
    return Anywhere() if hint is Path else None


class Here(click.Path):
    """A path on this machine; a URI would be taken for a strange name and made as a folder."""

    def __init__(self, *, why: str = "", **details: Any) -> None:
        """Take what `click.Path` takes, and why it has to be here where that is not plain."""
        super().__init__(path_type=Path, **details)
        self._why = f" ({why})" if why else ""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            UsageError: it is a URI, or nothing.
        """
        if not str(value):
            self.fail("a place has no name; give one", param, ctx)
        if uri_of(value) is not None:
            name = "this" if param is None else param.get_error_hint(ctx)
            raise UsageError(
                f"{shown(value)}: {name} takes a path on this machine{self._why}; copy what is there here, or what is "
                f"made here there, with the store's own tool{_tool(value)}"
            )
        return super().convert(local_path(str(value)), param, ctx)


class Anywhere(click.Path):
    """A path on this machine, or a URI, of which the store is asked later."""

    def __init__(self, **details: Any) -> None:
        """Take what `click.Path` takes."""
        super().__init__(path_type=Path, **details)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path or URI."""
        return Path(value) if uri_of(value) is not None else super().convert(local_path(str(value)), param, ctx)


def _tool(place: Any) -> str:
    """Return the command that copies to and from a store, where there is one that everybody has."""
    tools = {"s3": "aws s3 cp --recursive", "gs": "gcloud storage cp -r", "hf": "hf download"}
    tool = tools.get((uri_of(place) or "").partition(":")[0])
    return f", such as {tool}" if tool else ""


class _Numbers(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A choice of whole numbers."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        return int(super().convert(str(value), param, ctx))


class Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic from click 8.2 on
    """A time in seconds, minutes or hours: 90s, 10m, 1.5h, or a number of minutes."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|)", str(value).strip().lower())
        if found is None or not float(found[1]):
            self.fail(f"{value!r} is no time; write for example 10m, 90s or 2h", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


def turned_off(field: str, words: str, help: str) -> Callable[[Command], Command]:
    """Return a flag that makes a field False."""
    return click.option(words, field, is_flag=True, callback=lambda _, __, given: not given, help=help)


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout, nothing else.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace what stands at -o already.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
device_option = setting(
    ImageSettings,
    "device",
    help="Where the model runs; cuda fails when it cannot be had, auto says what it took and why.",
)
seed_option = setting(ImageSettings, "seed", help="Seed of every random choice.")
batch_option = setting(
    ImageSettings,
    "batch_size",
    metavar="N",
    help="Images in one run of the model; the default suits device and views, and only speed and memory depend on it.",
)
labels_option = turned_off("labels", "--no-labels", "Do not take sub-folder names or label columns as labels.")
answer_option = setting(
    EvidenceSettings,
    "answer",
    metavar="OUTPUT",
    help="Output of the model that holds the class scores, where it has several.",
)

PREPROCESS = (
    "imagenet, cifar10, 0-1, -1-1, 0-255, torchvision:WEIGHTS, keras:MODE, a TOML file, Hugging Face's "
    "preprocessor_config.json, timm's config.json, or a folder with one"
)

classes_option = setting(
    EvidenceSettings,
    "classes",
    metavar="FILE",
    help="Class names in the order of the model's outputs, one a line (or id2label in JSON), where class folders or "
    "names in tables are not in that order.",
)

_KNOWN_IMAGES = (
    answer_option,
    classes_option,
    setting(
        EvidenceSettings,
        "preprocess",
        metavar="PRESET|FILE",
        help=f"How the target's images are prepared: {PREPROCESS}. Without it, what is declared beside the model or in "
        "its metadata is taken, else (or with check) what fits known members best, surest with labels, and the report "
        "says so.",
    ),
    setting(
        EvidenceSettings,
        "views",
        help="How many views of each image the model is shown; the time grows with them. 50 are drawn from "
        "--augmentation only.",
    ),
    setting(
        EvidenceSettings,
        "augmentation",
        metavar="CROP+MIRROR",
        help="How the target's training images were moved and mirrored, where that is known: crop4 (by up to 4 pixels, "
        "more on images above 32 pixels), crop4-black (black moves in), crop8% (of the side), mirror, or "
        "crop4-black+mirror. Views are drawn from it.",
    ),
    setting(
        EvidenceSettings,
        "group",
        metavar="COLUMN|REGEX",
        help="Column (or, for folders, a pattern on the path) that says which images belong together, such as "
        "frames of one video; a group is never divided between fitting and testing.",
    ),
    labels_option,
    setting(
        EvidenceSettings,
        "limit",
        metavar="N",
        help="Use at most N members and N non-members, drawn at random with --seed; the others are known all the same: "
        "none of them is questioned.",
    ),
)
_MODULE = (
    setting(
        TrainSettings,
        "module",
        help=f"{'; '.join(f'{kind.name} {kind.words}' for kind in MODULES)}. auto takes views if it is surely better "
        "than phi on the fit part, then trees and then relative if they are surely better still.",
    ),
    setting(
        TrainSettings,
        "layers",
        "--layer",
        multiple=True,
        show_default="auto",
        default=("auto",),
        metavar="LAYER",
        help=f"Layer that {readers_of_layers('or')} reads: a name or index of onnxmint layers, auto, penultimate, "
        "logits. Several are read as one.",
    ),
    setting(
        TrainSettings,
        "folds",
        metavar="K",
        help="Cross-fit in K folds: every known image is fitted on and tested by the others. For modules that need "
        "many images; auto then means views.",
    ),
    setting(
        TrainSettings,
        "reference",
        multiple=True,
        default=(),
        metavar="FILE",
        callback=lambda _, __, given: tuple(path for path in given if str(path) != "auto"),
        help="Another classifier (.onnx) of the same task, not trained on these images; can be repeated. Shows what is "
        "difficulty and not membership, and the module relative compares with it. Without one (or with auto) small "
        "ones are learned from the known images.",
    ),
    turned_off("controls", "--no-controls", "Skip the controls; a verdict is weaker without them."),
)


def run_option(stem: str, files: str) -> Callable[[Command], Command]:
    """Return the option for the folder of results, which without it is a new one named by date and time."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        show_default=f"{stem}-DATE-TIME",
        metavar="RUN",
        help=f"Folder for {files}.",
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
