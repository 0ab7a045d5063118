"""Hostile inputs and kills, from a seed: whatever is given, the answer is a result or one clean line.

    python tools/fuzz/fuzz.py --kind models --count 10000 --seed 1 --results tools/fuzz/results/models.json
    python tools/fuzz/fuzz.py --minutes 2   # all kinds in their shares; fails when anything was found
    python tools/fuzz/fuzz.py --kind models --seed 1 --only 4711   # one case again, with all it says

Cases that were run already (same kind, seed and package) are not run again. The journal lies in ONNXMINT_FUZZ, or in
the temporary folder.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before libraries are loaded: workers are forked from a process of one thread

import argparse
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from auditors import Auditors
from images import Images
from journal import Journal, summary
from judging import Outcome
from kills import Kills
from models import Models
from options import Options
from runs import Runs
from sources import Sources
from supervising import one_case, outcomes, settle_streams
from trial import Kind
from watching import Watch

KINDS: tuple[Kind, ...] = (Models(), Images(), Sources(), Auditors(), Options(), Runs(), Kills())
_WORK = Path(os.environ.get("ONNXMINT_FUZZ", Path(tempfile.gettempdir()) / "onnxmint-fuzzing"))
_FOREVER, _MOST = 1e9, 100_000  # seconds, cases
_OFTEN = 60  # seconds between two lines of progress


def main() -> int:
    """Run what was asked for and return the exit code: 1 when something was found."""
    options = _options()
    _WORK.mkdir(parents=True, exist_ok=True)
    wanted = [kind for kind in KINDS if options.kind in (None, kind.name)]
    if options.only is not None:
        return _one(wanted[0], options.only, options.seed)
    shares = sum(kind.share for kind in wanted)
    failures = 0
    for kind in wanted:
        failures += _run(kind, options, 60 * options.minutes * kind.share / shares if options.minutes else _FOREVER)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=[kind.name for kind in KINDS], help="one kind; all without")
    parser.add_argument("--count", type=int, default=0, help="cases 0 to COUNT - 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0.0, help="of cases; all kinds get their share")
    parser.add_argument("--results", type=Path, help="write the counts as JSON")
    parser.add_argument("--again", action="store_true", help="run also what was run already")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one case, in this process")
    options = parser.parse_args()
    if not options.count and not options.minutes and options.only is None:
        parser.error("give --count or --minutes")
    return options


def _run(kind: Kind, options: argparse.Namespace, seconds: float) -> int:
    """Run the cases of a kind that were not run yet, for so long, and return how many of all failed."""
    work = _WORK / "minutes" if options.minutes else _WORK  # a short run neither uses nor spoils a long one
    work.mkdir(exist_ok=True)
    kind.prepare(work)
    began, told = time.monotonic(), 0.0
    with Journal(work, kind.name, options.seed, fresh=options.again or bool(options.minutes)) as journal:
        left = [number for number in range(options.count or _MOST) if number not in journal.done]
        for outcome in outcomes(kind, left, seed=options.seed, work=work, until=began + seconds):
            journal.add(outcome)
            if outcome.verdict != "fine":
                print(_line(kind, outcome), flush=True)
            if time.monotonic() - told > _OFTEN:
                told = time.monotonic()
                print(f"{kind.name}: {len(journal.done):,} cases, {told - began:.0f} s", flush=True)
        found = summary(journal, kind.name, options.seed)
    if options.results is not None:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(found, indent=1, ensure_ascii=True) + "\n")
    failed = sum(number for verdict, number in found["verdicts"].items() if verdict != "fine")
    print(f"{kind.name}: {found['cases']:,} cases, {failed} failures, {found['seconds']:.0f} s", flush=True)
    return failed


def _line(kind: Kind, outcome: Outcome) -> str:
    return f"{kind.name} {outcome.number}: {outcome.verdict}, {outcome.what}: {outcome.detail[:200]!r}"


def _one(kind: Kind, number: int, seed: int) -> int:
    """Run one case, leave its folder, and print what it came to."""
    kind.prepare(_WORK)
    place = Path(tempfile.mkdtemp(prefix=f"{kind.name}-{number}-"))
    out = os.dup(1)
    noise = settle_streams(place)
    try:
        outcome = one_case(kind, number, seed=seed, place=place, watch=Watch(), noise=noise)
    except BaseException:
        os.write(out, traceback.format_exc().encode())
        raise
    text = json.dumps(outcome.facts() | {"folder": str(place)}, indent=1)
    os.write(out, text.encode() + b"\n")
    return 0 if outcome.verdict == "fine" else 1


if __name__ == "__main__":
    sys.exit(main())
