"""Score the images of a Parquet folder with Ray Data: `onnxmint.Scorer` is given to map_batches as it is.

python ray_data.py AUDITOR IMAGES SCORES    (RAY_ADDRESS joins a cluster; without it Ray starts one on this machine,
which listens on all interfaces)

Scores of single images, with their p-values; for a verdict on the set there is
onnxmint audit --engine ray. Needs pip install "ray[data]".
"""

import os
import sys

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DATA_USAGE_DISABLED", "1")

import ray

import onnxmint


def main() -> None:
    auditor, images, scores = sys.argv[1:4]
    ray.init(log_to_driver=False)
    scorer = onnxmint.Scorer(auditor, device="cpu")  # one thread; opens its session in each worker
    # Small files become one block, which one worker takes: say how many there are to be.
    blocks = 2 * int(ray.cluster_resources().get("CPU", 1))
    table = ray.data.read_parquet(images, override_num_blocks=blocks)
    scored = table.map_batches(scorer, batch_format="pyarrow", batch_size=256, zero_copy_batch=True)
    scored.write_parquet(scores)
    print(f"{ray.data.read_parquet(scores).count():,} images scored")


if __name__ == "__main__":
    main()
