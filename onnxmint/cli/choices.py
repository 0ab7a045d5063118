"""From the command line's words to the settings of the library."""

from typing import Any

from onnxmint.settings import AuditSettings, TrainSettings


def train_settings(options: dict[str, Any]) -> TrainSettings:
    """Return training settings from the options of `evidence_options`, device, batch size and seed."""
    return TrainSettings(
        preprocess=options["preprocess"],
        layer=options["layer"],
        module=options["module"],
        group=options["group"],
        labels=not options["no_labels"],
        limit=options["limit"],
        device=options["device"],
        batch_size=options["batch_size"],
        seed=options["seed"],
    )


def audit_settings(options: dict[str, Any]) -> AuditSettings:
    """Return audit settings from the same options and alpha."""
    return AuditSettings(
        alpha=options["alpha"],
        group=options["group"],
        labels=not options["no_labels"],
        device=options["device"],
        batch_size=options["batch_size"],
        seed=options["seed"],
    )
