"""Whole audits by the module `relative`: the same sets as in audits.py, by auditors that compare with references.

    python tools/study/validity/relative.py --shared ../shared --bank BANK [--auditors 26] [--views 2]

An image that is easy for references too is what difficulty can be confused with; so this asks whether the innocent sets
that look guilty still do. References learned none of the images of the bank. Auditors without references are made of
the same evidence and asked of the same sets beside them (`--module views`). One line of JSON an auditor.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import bank
import numpy as np
import torch
from asking import World, record_all, world
from audits import run
from bank import Pool
from runs import SMALL

RESULTS = Path(__file__).parent / "results"
TREES = ("cifar10-resnet20", "cifar10-paper")
REFERENCES = {"cifar10-paper": SMALL}  # which learned the first images of the members; the bank begins behind them
_SMALLEST = 1e-45  # as `bank.log_odds` has it


def with_references(name: str, place: Path, pool: str, shared: Path) -> Pool:
    """Return a pool with what the references answer to its images, asked once and kept beside it."""
    held, file = bank.load(name, pool, place), place / name / f"{pool}.references.npy"
    if not file.exists():
        said = [bank.answers(bank.ready(other, shared), held.pixels) for other in REFERENCES[name]]
        np.save(file, np.log(np.maximum(np.stack(said, axis=1), _SMALLEST)).astype(np.float32))
    return replace(held, references=np.load(file))


def compared(name: str, shared: Path, place: Path, views: int) -> World:
    """Return a world in which modules compare with references."""
    found = world(name, shared, place, views)
    return replace(
        found,
        module="relative",
        members=with_references(name, place, "members", shared),
        nonmembers=with_references(name, place, "nonmembers", shared),
        copies={kind: with_references(name, place, kind, shared) for kind in bank.COPIES},
        innocent={kind: with_references(name, place, bank.INNOCENT + kind, shared) for kind in bank.COPIES},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--module", choices=("relative", "trees"), required=True)
    parser.add_argument("--auditors", type=int, default=26)
    parser.add_argument("--views", type=int, default=2, choices=(2, 14, 26))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.module == "relative":
        worlds = {name: compared(name, options.shared, options.bank, options.views) for name in REFERENCES}
    else:
        plain = {name: world(name, options.shared, options.bank, options.views) for name in TREES}
        worlds = {name: replace(found, module=options.module) for name, found in plain.items()}
    record_all(RESULTS / f"{options.module}_{options.views}views.jsonl", worlds, range(options.auditors), run)


if __name__ == "__main__":
    main()
