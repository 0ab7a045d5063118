"""Do shifts have to grow with the image? Targets of the ceiling behind an average over 2 x 2 pixels, at 56 x 56.

    python tools/study/ceiling_large.py --store STORE --fashion FOLDER --targets 8

Each side is doubled, pixel by pixel, and the target takes the mean of each 2 x 2 pixels first, so that it
says of a larger image what it says of the small one. What it shows: by how much views tell less where their shifts
stay those chosen on 32 x 32 pixels. What it cannot: which shifts are best for a network that learned large images.
"""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from ceiling_scores import VIEWS, Case, Ground, ground_of, module, parser_of
from onnx import helper

from onnxmint.engine.local import Local
from onnxmint.engine.probe import ODDS, Exposed
from onnxmint.engine.target import Target, graph_preprocess, make_ready
from onnxmint.graph.instrument import instrument, settle_label
from onnxmint.graph.views import VIEW_SETS
from onnxmint.images.chosen import Decoded, Images
from onnxmint.settings import EvidenceSettings
from onnxmint.stats import metrics

RESULTS = Path(__file__).parent / "results" / "ceiling" / "large"
TIMES = 2


def enlarged(model: Path, path: Path) -> None:
    """Write a target that takes images TIMES as large."""
    proto = onnx.load(model)
    graph = proto.graph
    first = helper.make_node(
        "AveragePool", ["large"], [graph.input[0].name], kernel_shape=[TIMES, TIMES], strides=[TIMES, TIMES]
    )
    graph.node.insert(0, first)
    shape = [graph.input[0].type.tensor_type.shape.dim[axis].dim_value for axis in (1, 2, 3)]
    large = helper.make_tensor_value_info(
        "large", onnx.TensorProto.FLOAT, ["N", shape[0], *(TIMES * n for n in shape[1:])]
    )
    del graph.input[:]
    graph.input.append(large)
    onnx.save(proto, path)


def shown(target: Target, times: int) -> Exposed:
    """Return a target shown the package's shifts, so many times as far."""
    pixels = graph_preprocess(target.spec, target.model)
    views = tuple(replace(view, down=view.down * times, right=view.right * times) for view in VIEW_SETS[VIEWS])
    graph = settle_label(instrument(target.model, [], pixels, pool=None, views=views), given=True)
    return Exposed(target=target, graph=graph, views=VIEWS, with_labels=True)


def odds(exposed: Exposed, pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return (n, VIEWS) log-odds."""
    probe = exposed.probe(batch_size=64, columns={ODDS: exposed.columns[ODDS]})
    part = Decoded(pixels=pixels, row=np.arange(len(labels)), label=labels)
    found: np.ndarray = Local().observe(probe, Images(parts=(part,), count=len(labels)), name="").columns[ODDS]
    return found


def measure(ground: Ground, number: int) -> dict[str, object]:
    """Return AUC and TPR at 1 % of `views` on small images, on large ones, and there with small shifts."""
    case = Case.of(ground, number)
    path = ground.store / ground.name / f"{number:02}.large.onnx"
    enlarged(ground.store / ground.name / f"{number:02}.onnx", path)
    target = make_ready(path, EvidenceSettings(preprocess="0-1", device="cpu"))
    pixels = np.repeat(np.repeat(ground.pixels[case.order], TIMES, axis=1), TIMES, axis=2)
    labels = ground.labels[case.order]
    columns = {
        "28 pixels": case.said()[ODDS],
        "56 pixels, shifts grow": odds(shown(target, TIMES), pixels, labels),
        "56 pixels, shifts as at 28": odds(shown(target, 1), pixels, labels),
    }
    found: dict[str, object] = {"target": number}
    for name, values in columns.items():
        started = time.process_time()
        score, member = module(case, name, values)[case.held], case.table.is_member[case.held]
        sides = score[member], score[~member]
        found[name] = [round(metrics.auc(*sides), 5), round(metrics.tpr_at_fpr(*sides, 0.01), 5)]
        print(number, name, found[name], f"{time.process_time() - started:.1f} s", flush=True)
    path.unlink()
    return found


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--targets", type=int, nargs="+", required=True)
    options = parser.parse_args()
    ground = ground_of("fashion", options)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for number in options.targets:
        (RESULTS / f"{number:02}.json").write_text(json.dumps(measure(ground, number)) + "\n")


if __name__ == "__main__":
    main()
