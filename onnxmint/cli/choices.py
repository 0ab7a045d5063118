"""From the command line's words to the settings of the library."""

from typing import Any, cast

from onnxmint.settings import AuditSettings, EvaluateSettings, ModuleName, TrainSettings


def train_settings(options: dict[str, Any]) -> TrainSettings:
    """Return training settings from the options of `module_options`, device, batch size and seed."""
    return TrainSettings(
        module=options["module"],
        layers=options["layers"],
        folds=options["folds"],
        reference=tuple(path for path in options["reference"] if str(path) != "auto"),
        controls=not options["no_controls"],
        **_known_images(options),
    )


def evaluate_settings(options: dict[str, Any]) -> EvaluateSettings:
    """Return evaluation settings from the options of `known_image_options`, layers, modules and references."""
    return EvaluateSettings(
        layers=_words(options["layers"]),
        modules=cast("tuple[ModuleName, ...]", _words(options["modules"])),  # checked where they are made
        reference=options["reference"],
        **_known_images(options),
    )


def audit_settings(options: dict[str, Any]) -> AuditSettings:
    """Return audit settings from the same options and those of the audit command."""
    return AuditSettings(
        alpha=options["alpha"],
        false_discovery=options["fdr"],
        p_values=options["p_values"],
        per_class=options["per_class"],
        prior=options["prior"],
        relevant_share=options["relevant_share"],
        reference=tuple(path for path in options["reference"] if str(path) != "auto"),
        controls=not options["no_controls"],
        group=options["group"],
        labels=not options["no_labels"],
        device=options["device"],
        batch_size=options["batch_size"],
        seed=options["seed"],
    )


def _known_images(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "answer": options["answer"],
        "preprocess": options["preprocess"],
        "views": int(options["views"]),
        "group": options["group"],
        "labels": not options["no_labels"],
        "limit": options["limit"],
        "device": options["device"],
        "batch_size": options["batch_size"],
        "seed": options["seed"],
    }


def _words(listed: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in listed.split(",") if word.strip()))
