"""What each step of `onnxmint demo` costs: seconds of the wall and of the CPU by stage, in a cold process a round.

    pip install ".[bench]" && python tools/bench/demo.py

"between steps" is statistics, exporting and merging; "imports" what Python loads until the audit begins.
"""

import json
import statistics
import subprocess
import sys

from measuring import machine, rounds_from, save

ONE = """
import contextlib, json, time
start, own = time.perf_counter(), time.process_time()
from importlib import resources
from onnxmint.settings import AuditSettings, TrainSettings
from onnxmint.workflows.auditing import Known, audit
taken = {"imports": [time.perf_counter() - start, time.process_time()]}
@contextlib.contextmanager
def stage(name, total):
    wall, cpu = time.perf_counter(), time.process_time()
    yield lambda steps: None
    found = taken.setdefault(name, [0.0, 0.0])
    found[0] += time.perf_counter() - wall
    found[1] += time.process_time() - cpu
with resources.as_file(resources.files("onnxmint.demo")) as data:
    known = Known(members=data / "members.parquet", nonmembers=data / "nonmembers.parquet",
                  training=TrainSettings(preprocess="0-1"))
    audit(data / "target.onnx", data / "questioned.parquet", known, settings=AuditSettings(), stage=stage)
taken["in all"] = [time.perf_counter() - start, time.process_time()]
print(json.dumps(taken))
"""


def main() -> None:
    rounds, about = rounds_from(__doc__, default=3), machine()
    found = [
        json.loads(subprocess.run([sys.executable, "-c", ONE], check=True, capture_output=True, text=True).stdout)
        for _ in range(rounds)
    ]
    for one in found:
        total = one.pop("in all")
        spent = [sum(part[kind] for part in one.values()) for kind in (0, 1)]
        one |= {"between steps": [total[0] - spent[0], total[1] - spent[1]], "in all": total}
    rows = [
        {
            "step": name,
            "seconds": round(statistics.median(one[name][0] for one in found), 2),
            "CPU seconds": round(statistics.median(one[name][1] for one in found), 2),
        }
        for name in found[0]
    ]
    save("demo", rows, about)


if __name__ == "__main__":
    main()
