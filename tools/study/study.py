"""Measure everything in runs.py with `onnxmint.evaluate`, one JSON a run, and write the tables of README.md.

    python tools/study/targets.py --shared ../shared      # once; skips targets that are there
    python tools/study/study.py --shared ../shared [--only power] [--tables]

A run that has its result is skipped, so that the study can be stopped and taken up again. `--tables` only renders.
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import data
import numpy as np
import pyarrow.parquet as pq
from runs import TARGETS, Run, runs
from tables import write_tables

if TYPE_CHECKING:
    from onnxmint.results.evaluation import Evaluation

HERE = Path(__file__).parent
RESULTS = HERE / "results"
MODULES = {"paper": ("views", "cnn", "vanilla"), "full": ("views", "cnn", "vanilla")}


def model_of(name: str, shared: Path) -> Path:
    return (HERE / "targets" if TARGETS[name].ours else shared / "models") / f"{name}.onnx"


def evidence(run: Run, shared: Path, folder: Path) -> None:
    """Write members.parquet and nonmembers.parquet, drawn with the run's seed."""
    target = TARGETS[run.target]
    table = data.read(shared, target.data)
    if target.ours:
        trained = json.loads((HERE / "targets" / "targets.json").read_text())[run.target]["members"]
        halves = data.halves(table, target.data, trained)
        sides = {
            "members": halves["members"],
            "nonmembers": halves["test" if run.nonmembers == "test" else "nonmembers"],
        }
    else:
        sides = data.third_party(table, target.data)
    sides["members"] = sides["members"][run.members_from :]
    sides["nonmembers"] = sides["nonmembers"][run.nonmembers_from : run.nonmembers_to]
    rng = np.random.default_rng(run.seed)
    for side, rows in sides.items():
        pq.write_table(data.draw(table, target.data, rows, run.evidence, rng), folder / f"{side}.parquet")


def measure(run: Run, shared: Path) -> dict[str, Any]:
    """Evaluate once; return the content of evaluation.json without curves."""
    from onnxmint import EvaluateSettings, evaluate
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.graph.load import load_target
    from onnxmint.graph.placebo import placebo_twin
    from onnxmint.graph.serial import serialize

    target, model = TARGETS[run.target], model_of(run.target, shared)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        evidence(run, shared, folder)
        if run.placebo:
            twin = folder / "placebo.onnx"
            twin.write_bytes(serialize(placebo_twin(load_target(model).model)))
            model = twin
        if run.references:
            (folder / "references").mkdir()
            for other in run.references:
                (folder / "references" / f"{other}.onnx").write_bytes(model_of(other, shared).read_bytes())
        settings = EvaluateSettings(
            preprocess=target.preprocess,
            views=run.views,
            labels=run.labels,
            layers=run.layers,
            modules=MODULES.get(run.table, ("views",)),
            group=data.GROUP.get(target.data),
            reference=folder / "references" if run.references else None,
            seed=run.seed,
        )
        found = evaluate(
            model, folder / "members.parquet", folder / "nonmembers.parquet", settings=settings,
            stage=stage_on_stderr(silent=True),
        )  # fmt: skip
    return {"run": asdict(run), **row(found, f"{run.target}.onnx")}


def row(found: "Evaluation", path: str) -> dict[str, Any]:
    """Return an evaluation without curves as results/ holds it: the first layout of evaluation.json."""
    from onnxmint.results.evaluation import EVALUATION

    facts: dict[str, Any] = EVALUATION.facts(found)
    evidence = facts["evidence"]
    evidence["split"] = {part: evidence[part] for part in ("fit", "calibrate", "test")}
    evidence["target_accuracy"] = {side: evidence[f"accuracy_{side}"] for side in ("members", "nonmembers")}
    for method in facts["methods"]:
        method |= method.pop("performance") or {}
        method["against_best_signal"] = method.pop("difference")
        for name in ("roc_fpr", "roc_tpr", "histogram", *(key for key, value in method.items() if value is None)):
            method.pop(name, None)
    facts["target"]["path"] = path
    for name in ("verdict", "repeated"):  # later layouts have them
        del facts[name]
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="the folder with models/ and data/")
    parser.add_argument("--only", nargs="*", help="tables to measure")
    parser.add_argument("--tables", action="store_true", help="measure nothing, write the tables again")
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for run in () if given.tables else runs():
        file = RESULTS / f"{run.name}.json"
        if file.exists() or (given.only and run.table not in given.only):
            continue
        found = measure(run, given.shared)
        file.write_text(json.dumps(found, separators=(",", ":")) + "\n")
        views = next(method for method in found["methods"] if method["name"] == "views")
        print(run.name, round(views["auc"]["value"], 3), found["seconds"], flush=True)
        write_tables(RESULTS, HERE / "README.md")
    write_tables(RESULTS, HERE / "README.md")


if __name__ == "__main__":
    main()
