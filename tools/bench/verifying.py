"""How long a check of a large run takes: the rows of a given run, drawn again and moved, judged, written and checked.

python tools/bench/verifying.py RUN --rows 100000    (a run that onnxmint demo -o RUN left)
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from measuring import machine, save

from onnxmint import AuditSettings, load_auditor, load_run
from onnxmint.mint.auditor import Auditor
from onnxmint.report.again import readable_files
from onnxmint.report.files import run_files
from onnxmint.results.audit import AuditResult
from onnxmint.verdict.gating import gate_and_yardstick
from onnxmint.verdict.judging import Sighting, judge_set
from onnxmint.verdict.scores import Named, QuestionedScores
from onnxmint.verdict.units import units_again
from onnxmint.workflows.verifying import Checking, verify


def enlarged(result: AuditResult, auditor: Auditor, rows: int) -> AuditResult:
    rng, basis = np.random.default_rng(0), result.basis
    drawn = rng.integers(0, len(result.scores.path), rows)
    _, yardstick = gate_and_yardstick(auditor.gate, auditor.yardstick)
    networks = basis.networks[drawn] + rng.normal(0, 0.01, (rows, basis.networks.shape[1]))
    others = {name: None if (values := getattr(basis, name)) is None else values[drawn]
              for name in ("free", "level", "free_level")}  # fmt: skip
    every, number = np.ones(rows, np.bool_), np.arange(rows)
    units = units_again(networks, number, every, yardstick, known_digest=auditor.traces.digest[yardstick.number])
    label = None if result.scores.label is None else result.scores.label[drawn]
    seen = Sighting(
        scored=QuestionedScores(
            row=number, score=networks, predicted=result.scores.predicted[drawn], skipped=(), **others
        ),
        units=units,
        named=Named(path=tuple(f"folder/image-{row}.png" for row in range(rows)), label=label),
        subjects=None,
        controls=result.controls,
    )
    settings = AuditSettings(**{name: getattr(result.rule, name) for name in type(result.rule).__slots__})
    judged = judge_set(seen, auditor.measure, settings)
    return replace(
        result,
        scores=judged.scores,
        verdict=judged.verdict,
        histogram=judged.histogram,
        statistics=judged.statistics,
        basis=seen.basis(tuple(basis.sha256[row] for row in drawn.tolist())),
        questioned=replace(
            result.questioned, images=rows, flagged=int(judged.scores.flagged.sum()), prior=judged.prior
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    about, auditor, result = machine(), load_auditor(options.run / "auditor.onnx"), load_run(options.run)
    whole = replace(result, subjects=None, rule=replace(result.rule, subject=None, subject_first=None))
    large = enlarged(whole, auditor, options.rows)
    with tempfile.TemporaryDirectory() as place:
        files = run_files(large, run_settings={}, auditor=auditor.model)
        for name, content in files.items():
            (Path(place) / name).write_bytes(content)
        checking, taken = Checking(steps=("integrity", "authenticity", "order", "derivation")), []
        for _ in range(options.rounds):
            start, spent = time.perf_counter(), time.process_time()
            found = verify(Path(place), checking=checking, rendered=readable_files)
            taken.append((time.process_time() - spent, time.perf_counter() - start))
            for step in found.steps:
                print(step.name, step.outcome, step.text[:100], *step.differences[:3])
            if next(step for step in found.steps if step.name == "derivation").outcome != "passed":
                raise SystemExit("what was written does not follow from itself")
    processor, wall = (round(statistics.median(side), 2) for side in zip(*taken, strict=True))
    size = round(sum(map(len, files.values())) / 1e6, 1)
    row = {"rows": options.rows, "MB of the run": size, "CPU-seconds": processor, "seconds": wall}
    save("verifying", [row | {"rounds": options.rounds}], about)


if __name__ == "__main__":
    main()
