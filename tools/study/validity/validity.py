"""Do the error rates hold? Simulated audits, confounded evidence, difficulty; one JSON a part, and README.md from them.

    python tools/study/validity/validity.py --shared ../shared [--only null share] [--quick] [--tables]

A part that has its result is skipped. `--quick` runs a few of each and writes nothing: what CI does.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import difficulty
import numpy as np
import pipeline
import real
import simulate
from validity_tables import write_tables

HERE = Path(__file__).parent
RESULTS = HERE / "results"
AUCS = (0.53, 0.6, 0.66, 0.75, 0.9)
SHARES = (0.0, 0.05, 0.2, 0.5, 0.8, 1.0)

Rows = Iterator[dict[str, Any]]


def null(pools: Callable[[], list[simulate.Family]], runs: int) -> Rows:
    for evidence, questioned in ((400, 100), (2000, 1000)):
        for family in [*simulate.families(0.6), *pools()]:
            yield simulate.innocent_audits(family, evidence=evidence, questioned=questioned, runs=runs, seed=1)


def crossed(pools: Callable[[], list[simulate.Family]], runs: int) -> Rows:
    for features, shift in ((2, 0.0), (30, 0.0), (30, 0.5)):
        yield simulate.cross_fitted_audits(
            evidence=100, questioned=200, features=features, shift=shift, runs=runs, seed=2
        )


def discoveries(pools: Callable[[], list[simulate.Family]], runs: int) -> Rows:
    for share in (0.1, 0.5):
        for family in [*simulate.families(0.9), *pools()]:
            yield simulate.false_discoveries(family, evidence=2000, questioned=500, share=share, runs=runs, seed=3)


def share(pools: Callable[[], list[simulate.Family]], runs: int) -> Rows:
    for auc in AUCS:
        normal = next(simulate.families(auc))
        for evidence in (200, 1000, 5000):
            for truth in SHARES:
                yield simulate.share_coverage(
                    normal, auc, evidence=evidence, questioned=500, share=truth, runs=runs, seed=4
                )
    for family in [*list(simulate.families(0.66))[1:], *pools()]:
        for truth in SHARES:
            yield simulate.share_coverage(family, 0.66, evidence=1000, questioned=500, share=truth, runs=runs, seed=4)


def power(pools: Callable[[], list[simulate.Family]], runs: int) -> Rows:
    for auc in AUCS:
        for evidence in (200, 1000, 5000):
            for questioned in (100, 1000):
                yield simulate.promises(
                    next(simulate.families(auc)), auc, evidence=evidence, questioned=questioned, runs=runs, seed=5
                )
    for family in [*list(simulate.families(0.66))[1:], *pools()]:
        yield simulate.promises(family, 0.66, evidence=1000, questioned=1000, runs=runs, seed=5)


def real_pools(shared: Path, count: int) -> list[simulate.Family]:
    """Return log-odds of real targets, and their gap between an image and its mirror image."""
    found = []
    for name in ("cifar10-paper", "cifar10-resnet20"):
        members, nonmembers, table = real.sides(name, shared, count, np.random.default_rng(0))
        odds = [
            real.log_odds(name, shared, real.data.pixels(table, rows), real.data.labels(table, rows), views=2)
            for rows in (members, nonmembers)
        ]
        found.append(simulate.pool(f"{name}, log-odds", odds[0][:, 0], odds[1][:, 0]))
        found.append(simulate.pool(f"{name}, mean of 2 views", odds[0].mean(1), odds[1].mean(1)))
    return found


def confounds(shared: Path, runs: int) -> Rows:
    cifar, others = (real.data.read(shared, name).slice(0, 20_000) for name in ("cifar10", "cifar100"))
    for kind in [*real.CONFOUNDS, "other data set"]:
        for count, part in ((500, 1), (1000, 5)):
            if runs >= part:
                yield real.confounded(cifar, others, kind, count=count, runs=runs // part, seed=6)


def parts(shared: Path, *, quick: bool) -> dict[str, Callable[[], Rows]]:
    made: list[simulate.Family] = []

    def pools() -> list[simulate.Family]:
        if not made:
            made.extend(real_pools(shared, 600 if quick else 9000))
        return made

    none: Callable[[], list[simulate.Family]] = list
    use = none if quick else pools
    return {
        "null": lambda: null(use, 20 if quick else 1000),
        "crossed": lambda: crossed(use, 5 if quick else 1000),
        "discoveries": lambda: discoveries(use, 5 if quick else 300),
        "share": lambda: share(use, 2 if quick else 500),
        "power": lambda: power(use, 2 if quick else 500),
        "difficulty": lambda: difficulty.rows(shared, quick=quick),
        "pipeline": lambda: pipeline.rows(shared, runs=1 if quick else 48),
        "confounds": lambda: confounds(shared, 1 if quick else 100),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="the folder with models/ and data/")
    parser.add_argument("--only", nargs="*", help="parts to run")
    parser.add_argument("--quick", action="store_true", help="a few of each, write nothing")
    parser.add_argument("--tables", action="store_true", help="run nothing, write the tables again")
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    every = {} if given.tables else parts(given.shared, quick=given.quick)
    for name, rows in every.items():
        file = RESULTS / f"{name}.json"
        if (file.exists() and not given.quick) or (given.only and name not in given.only):
            continue
        found = []
        for row in rows():
            found.append(row)
            print(name, json.dumps(row), flush=True)
        if not given.quick:
            file.write_text("[\n" + ",\n".join(json.dumps(row) for row in found) + "\n]\n")
            write_tables(RESULTS, HERE / "README.md")
    if given.tables:
        write_tables(RESULTS, HERE / "README.md")


if __name__ == "__main__":
    main()
