"""onnxmint references: other classifiers of the target's task, made without a line of training code."""

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from onnxmint.cli.grouped import GroupedCommand
from onnxmint.cli.options import (
    PREPROCESS,
    Here,
    answer_option,
    batch_option,
    classes_option,
    device_option,
    json_option,
    overwrite_option,
    quiet_option,
    seed_option,
    setting,
    settings_of,
)
from onnxmint.cli.places import require_known
from onnxmint.errors import UsageError
from onnxmint.settings import ReferenceSettings

_OF_FEATURES = ("layers",)
_OF_RETRAIN = ("count", "epochs", "augmentation")


@click.command("references", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--images", required=True, multiple=True, metavar="SRC",
    help="Labelled images that references learn from; can be repeated. With --features others than the known and "
    "questioned ones; with --retrain the known ones, members and non-members.",
)  # fmt: skip
@setting(
    ReferenceSettings, "features", metavar="OTHER.onnx",
    help="Make one reference of the features of another image classifier, of any task, that never saw these images; "
    "OTHER.toml beside it says how its images are prepared, where otherwise than MODEL's.",
)  # fmt: skip
@setting(
    ReferenceSettings, "layers", "--layer", multiple=True, default=("auto",), show_default="auto", metavar="LAYER",
    help="Layer of OTHER.onnx whose activations are the features: a name or index of onnxmint layers; can be repeated. "
    "auto takes what its last dense layer reads and its last map.",
)  # fmt: skip
@click.option(
    "--retrain", is_flag=True, help="Make references of MODEL's own graph, trained anew from fresh weights in PyTorch."
)
@setting(
    ReferenceSettings, "count", metavar="K",
    help="References that --retrain makes, each trained on a random half of the images, so that every image is in half "
    "of them (an even number); 1 learns from all images.",
)  # fmt: skip
@setting(ReferenceSettings, "epochs", metavar="E", help="Times that --retrain learns from each image.")
@setting(
    ReferenceSettings, "augmentation", metavar="CROP+MIRROR",
    help="How images are moved and mirrored while --retrain learns from them, best as MODEL's were: crop4, "
    "crop4-black, crop8%, mirror, or crop4-black+mirror.",
)  # fmt: skip
@click.option(
    "-o", "--output", required=True, type=Here(), metavar="REFS",
    help="Folder for NAME.onnx, NAME.members.txt and NAME.toml, which --reference takes. References of the same "
    "settings that are there already are not made again.",
)  # fmt: skip
@overwrite_option
@answer_option
@classes_option
@setting(
    ReferenceSettings, "preprocess", metavar="PRESET|FILE",
    help=f"How MODEL's images are prepared: {PREPROCESS}. Without it, what is declared beside the model is taken, "
    "else (or with check) what fits labelled images best.",
)  # fmt: skip
@device_option
@batch_option
@seed_option
@quiet_option
@json_option
def references_command(model: Path, images: tuple[str, ...], output: Path, overwrite: bool, **options: Any) -> None:
    """Make reference models for MODEL: classifiers of the same task, for LiRA, RMIA and the module relative.

    --features fits a linear layer on what another classifier sees in labelled images: minutes, one reference, which
    says how hard an image is for a model that never saw it. --retrain trains MODEL's own graph from fresh weights
    on halves of the images: K trainings, which LiRA and RMIA compare. See: onnxmint help reference-models.

    \b
    Examples:
      onnxmint references model.onnx --images others/ --features imagenet.onnx -o refs
      onnxmint audit model.onnx suspects/ --members train/ --nonmembers heldout/ \\
          --reference refs/features.onnx
      onnxmint references model.onnx --images train/ --images heldout/ --retrain \\
          --count 16 -o shadows
      onnxmint evaluate model.onnx --members train/ --nonmembers heldout/ \\
          --reference shadows
    """
    _require_meant(retrain=options["retrain"])
    require_known(model, images)
    from rich.console import Console

    from onnxmint.cli.outputs import inputs_of
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.report.references import print_references
    from onnxmint.results.references import REFERENCES
    from onnxmint.workflows.referring import make_references

    as_json, stage = options.pop("as_json"), stage_on_stderr(silent=options.pop("quiet"))
    settings, inputs = settings_of(ReferenceSettings, options), inputs_of(model, {**options, "images": images})
    found = make_references(model, images, output, settings=settings, overwrite=overwrite, stage=stage, inputs=inputs)
    if as_json:
        click.echo(REFERENCES.write(found))
    else:
        print_references(found, Console())


def _require_meant(*, retrain: bool) -> None:
    """Refuse options that would do nothing.

    Raises:
        UsageError: naming one.
    """
    context = click.get_current_context()
    own, other = ("--retrain", "--features") if retrain else ("--features", "--retrain")
    idle = _OF_FEATURES if retrain else _OF_RETRAIN
    for param in context.command.params:
        if param.name in idle and context.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"{param.opts[0]} says how {other} makes references, and {own} was asked for: leave it out"
            )
