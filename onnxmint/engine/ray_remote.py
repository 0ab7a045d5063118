"""What runs in the processes of a Ray cluster's nodes.

These functions travel whole, not by their names, so that a node without onnxmint can still say so; each one imports
what it needs where it runs.
"""

from collections.abc import Iterator
from typing import Any

_KEPT: dict[bytes, Any] = {}  # what a task opened serves its process until that ends


def look(task: bytes) -> dict[str, Any]:
    """Look whether this node can work.

    Returns:
        `token`, whether it asks for one; `niceness` of its processes; `why` it cannot work, in words that follow its
        name, empty where it can.
    """
    import os
    import pickle

    from ray._raylet import AuthenticationMode, get_authentication_mode

    said = {"token": get_authentication_mode() == AuthenticationMode.TOKEN, "niceness": os.nice(0), "why": ""}
    try:
        from onnxmint.errors import OnnxmintError
    except ImportError as problem:
        return said | {"why": f"lacks onnxmint or what that needs ({problem}): install the same version there"}
    try:
        pickle.loads(task).check()
    except OnnxmintError as problem:
        return said | {"why": str(problem)}
    except (ImportError, AttributeError) as problem:
        return said | {"why": f"has another onnxmint ({problem}): install the same version there"}
    return said


def make(task: bytes, unit: int, seat: dict[str, Any]) -> Iterator[str]:
    """Make a unit: say which node does, then why it could not be made, nothing where it was."""
    import pickle

    import ray

    from onnxmint.errors import OnnxmintError

    yield ray.get_runtime_context().get_node_id()
    if task not in _KEPT:
        _KEPT.clear()
        _KEPT[task] = pickle.loads(task)
    try:
        _KEPT[task](unit, **seat)
    except OnnxmintError as problem:
        yield str(problem)
    else:
        yield ""


class Maker:
    """A process that keeps its GPU: Ray would begin a new one, with a new session, for every task that has one."""

    def make(self, task: bytes, unit: int, seat: dict[str, Any]) -> Iterator[str]:
        """Make a unit as `make` does."""
        yield from make(task, unit, seat)
