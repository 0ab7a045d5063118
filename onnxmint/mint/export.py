"""A fitted module as ONNX, at the opset of the target it will be merged with."""

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from onnx import version_converter
from torch import nn

from onnxmint.errors import ModelError
from onnxmint.writing.leftovers import temporary_folder

_DYNAMO_FLOOR = 18  # asked for less, the dynamo exporter silently gives opset 18
_DYNAMO_CEILING = 23  # above, other versions of torch give another opset than they were asked for; onnx converts


def export_module(network: nn.Module, activation_shape: tuple[int, ...], opset: int) -> bytes:
    """Return the module as a serialised ONNX model: input "activation" (N, ...), output "score" (N,), both float32.

    Args:
        network: a fitted module in eval mode.
        activation_shape: per image, without the batch axis.
        opset: default-domain opset of the target.

    Raises:
        ModelError: the exporter cannot write this opset.
    """
    network = copy.deepcopy(network).cpu().eval()
    example = torch.zeros(2, *activation_shape)
    with _silence():
        if opset < _DYNAMO_FLOOR:
            return _torchscript(network, example, opset)
        return _converted(_dynamo(network, example, min(opset, _DYNAMO_CEILING)), opset)


def _converted(module: bytes, opset: int) -> bytes:
    """Return a module at a newer opset than torch writes."""
    proto = onnx.load_model_from_string(module)
    if _opset_of(proto) == opset:
        return module
    try:
        found: bytes = version_converter.convert_version(proto, opset).SerializeToString()
    except (RuntimeError, ValueError) as problem:
        first = str(problem).strip().splitlines()[0]
        raise ModelError(
            f"the module cannot be written at the target's opset {opset}: {first}; update onnx, or export the target "
            f"at opset {_DYNAMO_CEILING} or less"
        ) from None
    return found


def _opset_of(proto: onnx.ModelProto) -> int:
    version: int = next(entry.version for entry in proto.opset_import if entry.domain == "")
    return version


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporters' remarks about their own future, and about torchvision, from the user."""
    noisy = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)


def _dynamo(network: nn.Module, example: torch.Tensor, opset: int) -> bytes:
    program = torch.onnx.export(
        network,
        (example,),
        dynamo=True,
        opset_version=opset,
        input_names=["activation"],
        output_names=["score"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        verbose=False,
    )
    if program is None:
        raise ModelError(f"torch cannot export the module at opset {opset}; update torch and onnxscript")
    proto = program.model_proto
    got = _opset_of(proto)
    if got != opset:
        raise ModelError(
            f"torch exported the module at opset {got}, the target has {opset}; update torch and onnxscript"
        )
    written: bytes = proto.SerializeToString()
    return written


def _torchscript(network: nn.Module, example: torch.Tensor, opset: int) -> bytes:
    with temporary_folder() as folder:
        file = folder / "module.onnx"
        torch.onnx.export(
            network,
            (example,),
            str(file),
            dynamo=False,
            opset_version=opset,
            input_names=["activation"],
            output_names=["score"],
            dynamic_axes={"activation": {0: "N"}, "score": {0: "N"}},
        )
        return file.read_bytes()
