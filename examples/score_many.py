"""Score a Parquet file of images with an auditor in several processes, a few rows of it in memory at a time.

python examples/score_many.py auditor.onnx images.parquet scores.parquet

`onnxmint.Scorer` is one value that travels by pickle: a table of images in, the same rows with scores out, and an image
that cannot be read is a row with its reason. A worker needs neither PyTorch nor SciPy nor scikit-learn, only onnxmint
(pip install --no-deps onnxmint) with numpy, pyarrow, pillow, msgspec, onnx, onnx-ir and onnxruntime. Other engines take
the same value; start one that keeps it, so that a session is opened once a worker:

    Ray Data   class Score:
                   def __init__(self): self.scorer = onnxmint.Scorer("auditor.onnx")
                   def __call__(self, table): return self.scorer(table)
               ray.data.read_parquet("images/").map_batches(Score, batch_format="pyarrow", concurrency=4)
    Spark      frame.mapInArrow(scorer.batches, schema)  # a plan's own columns, then those of onnxmint.Scorer
    Dask       dask.bag.from_sequence(files).map(lambda file: scorer(pyarrow.parquet.read_table(file)))

A set's verdict is then made of all scores together: audit the set, or a sample of it (onnxmint audit --sample).
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from onnxmint import Scorer

ROWS = 256  # of a task
WORKERS = 2


class Worker:
    """What a process keeps from one task to the next."""

    scorer: Scorer

    @classmethod
    def start(cls, scorer: Scorer) -> None:
        """Take in the scorer; its session is opened by the first task."""
        cls.scorer = scorer

    @classmethod
    def score(cls, batch: pa.RecordBatch) -> pa.Table:
        """Return the rows with their scores."""
        return cls.scorer(batch)


def scored(auditor: Path, images: Path) -> Iterator[pa.Table]:
    """Yield the scores of a file, in its order."""
    scorer = Scorer(auditor, threads=1)
    with ProcessPoolExecutor(WORKERS, get_context("spawn"), Worker.start, (scorer,)) as pool:
        yield from pool.map(Worker.score, pq.ParquetFile(images).iter_batches(ROWS))


if __name__ == "__main__":
    if len(sys.argv) != 4:  # noqa: PLR2004 - the script, an auditor, images, where the scores go
        sys.exit("usage: python score_many.py auditor.onnx images.parquet scores.parquet")
    found = pa.concat_tables(scored(Path(sys.argv[1]), Path(sys.argv[2])))
    pq.write_table(found, sys.argv[3])
    print(f"{found.num_rows - found['score'].null_count:,} of {found.num_rows:,} images scored")
