"""A small case of somebody else's model, for gpu.py --case: what does not travel whole to a device goes as a part.

    python tools/bench/third.py ../shared case && python tools/bench/gpu.py --case case --preprocess 0-255

Members and questioned images are of its training set, half of the questioned ones; non-members of its test set.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MODEL, DATA = "models/cifar10-resnet8.onnx", "data/cifar10.parquet"


def pack(shared: Path, case: Path, *, known: int, questioned: int) -> None:
    """Write a model and its images as the demo has them."""
    case.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(shared / MODEL, case / "target.onnx")
    half = questioned // 2
    table = pq.read_table(shared / DATA)
    train, test = (table.filter(pc.equal(table["split"], split)).slice(0, known + half) for split in ("train", "test"))
    parts = {
        "members": train.slice(0, known),
        "nonmembers": test.slice(0, known),
        # One of each kind in turn: any first part of them is half members.
        "questioned": pa.concat_tables([train.slice(known), test.slice(known)]).take(
            np.arange(2 * half).reshape(2, half).T.ravel()
        ),
    }
    for name, part in parts.items():
        pq.write_table(part, case / f"{name}.parquet", row_group_size=500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path, help="folder with models/ and data/")
    parser.add_argument("case", type=Path)
    parser.add_argument("--known", type=int, default=2000, help="of each kind")
    parser.add_argument("--questioned", type=int, default=1000)
    options = parser.parse_args()
    pack(options.shared, options.case, known=options.known, questioned=options.questioned)


if __name__ == "__main__":
    main()
