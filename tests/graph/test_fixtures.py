"""Every model of tests/models, from many frameworks: its answer and layers are found, or one reason is given.

tests/test_fixtures.py exposes the layers, trains and audits.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from onnxmint.errors import OnnxmintError
from onnxmint.graph.layer import choose_layer
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target

MODELS = Path(__file__).parents[1] / "models"
FACTS: dict[str, dict[str, Any]] = json.loads((MODELS / "models.json").read_text())


@pytest.mark.parametrize("name", FACTS)
def test_layers_of_every_framework_are_found(name: str) -> None:
    facts = FACTS[name]
    path = MODELS / f"{name}.onnx"
    if facts["refused"]:
        with pytest.raises(OnnxmintError) as caught:
            load_target(path)
        assert "\n" not in str(caught.value)
        return
    target = load_target(path)
    assert target.answer.output == facts["answer"]
    assert (target.answer.kind == "sigmoid") == (facts["kind"] == "multilabel")
    layers = list_layers(target)
    assert len({layer.name for layer in layers}) == len(layers)
    assert sorted(layer.rank for layer in layers) == list(range(1, len(layers) + 1))
    assert layers[-1].role == target.answer.kind
    assert layers[-1].tensor == target.answer.tensor
    if target.input.features is None:
        assert choose_layer(layers, "auto").kind in ("map", "tokens")
        assert choose_layer(layers, "penultimate").kind == "vector"
