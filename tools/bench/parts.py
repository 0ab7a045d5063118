"""What sharing an audit costs: CPU of two parts and their merge against one process.

python tools/bench/parts.py AUDITOR    (an auditor of the bundled target)

Photographs of 2400x1800 pixels cost about a tenth of a CPU-second each, nearly all of it decoding; controls are off.
Time of the processor counts, of all processes together, so that a busy machine disturbs little. Two sizes give what an
image costs and what is fixed (interpreters, imports, sessions), and a line through them the ratio at 2,000 images.
"""

import argparse
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from measuring import WORK, machine, save
from photographs import photographs

DEMO = Path(__file__).parents[2] / "onnxmint" / "demo"
SIZES, WANTED_AT = (40, 160), 2_000


def cpu(*commands: list[object]) -> float:
    """Return the CPU-seconds of some commands."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for words in commands:
        whole = [sys.executable, "-m", "onnxmint", *map(str, words)]
        subprocess.run(whole, cwd=WORK, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("auditor", type=Path)
    auditor = parser.parse_args().auditor.resolve()
    WORK.mkdir(exist_ok=True)
    about, seconds = machine(), dict[str, list[float]]()
    for count in SIZES:
        for old in WORK.glob("shared*"):
            shutil.rmtree(old)
        large = photographs(WORK / f"photographs{count}.parquet", count, size=(2400, 1800), group=10)
        audit = ["audit", DEMO / "target.onnx", large, "--auditor", auditor, "--device", "cpu", "-q"]
        audit += ["--no-controls"]
        parts = [[*audit, "--part", f"{number}/2", "--unit", 20, "-o", "shared"] for number in (1, 2)]
        merge = ["merge", "shared", "--no-record", "--device", "cpu", "-q"]
        for name, commands in {
            "one process": [[*audit, "--no-record", "-o", f"shared-alone{count}"]],
            "two parts and their merge": [*parts, merge],
        }.items():
            seconds.setdefault(name, []).append(cpu(*commands))
            print(count, name, seconds[name][-1], flush=True)
    rows, alone = [], 0.0
    for name, (few, many) in seconds.items():
        each = (many - few) / (SIZES[1] - SIZES[0])
        whole = many + each * (WANTED_AT - SIZES[1])
        alone = alone or whole
        rows.append(
            {
                "how": name,
                **{
                    f"CPU-seconds, {count} images": round(value, 1)
                    for count, value in zip(SIZES, (few, many), strict=True)
                },
                "an image": round(each, 3),
                "fixed": round(few - each * SIZES[0], 1),
                f"at {WANTED_AT:,} images, of one process": round(whole / alone, 2),
            }
        )
    save("parts", rows, about)


if __name__ == "__main__":
    main()
