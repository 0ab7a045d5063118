"""The public names: sorted, documented, all there, and none is also a module's name."""

from pathlib import Path

import onnxmint


def test_every_public_name_is_there_and_documented() -> None:
    assert onnxmint.__all__ == sorted(onnxmint.__all__)
    for name in onnxmint.__all__:
        assert getattr(onnxmint, name).__doc__


def test_no_public_name_is_also_a_module() -> None:
    root = Path(onnxmint.__file__).parent
    modules = {path.stem for path in root.iterdir()} - {"__init__"}
    assert modules.isdisjoint(onnxmint.__all__)
