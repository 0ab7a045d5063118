"""How long a check of a large run takes: the rows of a given run, drawn again and moved, judged, written and checked.

python tools/bench/verifying.py RUN --rows 100000
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

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
    options = parser.parse_args()
    auditor, result = load_auditor(options.run / "auditor.onnx"), load_run(options.run)
    whole = replace(result, subjects=None, rule=replace(result.rule, subject=None, subject_first=None))
    large = enlarged(whole, auditor, options.rows)
    with tempfile.TemporaryDirectory() as place:
        for name, content in run_files(large, run_settings={}, auditor=auditor.model).items():
            (Path(place) / name).write_bytes(content)
            print(f"{name}: {len(content) / 1e6:.1f} MB")
        start, spent = time.perf_counter(), time.process_time()
        checking = Checking(steps=("integrity", "authenticity", "order", "derivation"))
        found = verify(Path(place), checking=checking, rendered=readable_files)
        print(f"{options.rows:,} rows: {time.process_time() - spent:.2f} CPU-s, {time.perf_counter() - start:.2f} s")
        for step in found.steps:
            print(step.name, step.outcome, step.text[:100], *step.differences[:3])


if __name__ == "__main__":
    main()
