"""The few ways an audit can fail for a reason the user can mend; every message says what, where and what to do."""


class OnnxmintError(Exception):
    """Base of all errors that are shown to the user as one line.

    Attributes:
        exit_code: what the command line returns: 1 for a failure, 2 for wrong usage.
    """

    exit_code = 1


class UsageError(OnnxmintError):
    """An option or argument cannot mean what was written (unknown layer, unknown preset, missing evidence)."""

    exit_code = 2


class UndeclaredError(UsageError):
    """Nobody says how a model's images are prepared, or several say it differently; labelled known images may tell."""


class ModelError(OnnxmintError):
    """An ONNX file (target or auditor) cannot be read, is unsafe, or cannot be audited."""


class ImagesError(OnnxmintError):
    """A set of images cannot be read, is empty, or its labels do not fit the target."""


class EvidenceError(OnnxmintError):
    """The known members and non-members cannot carry an audit (too few, overlapping, activations not finite)."""


class UnobservedError(EvidenceError):
    """Something is asked of observations that was not observed: another model, layer, label or other pixels."""


class DeviceError(OnnxmintError):
    """The device asked for cannot run the model."""
