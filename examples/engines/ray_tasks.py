"""Share an audit among the nodes of a Ray cluster: a task a part, made again elsewhere when its node is lost.

python ray_tasks.py HOST:PORT MODEL AUDITOR IMAGES RUN.parts [PARTS UNIT] && onnxmint merge RUN

Needs Ray (pip install ray) of the cluster's version, onnxmint on every node, and the files under the same paths on all
of them. It joins a cluster and never starts one: what a Ray cluster listens on, it listens on at all interfaces
(`ray start` with RAY_AUTH_MODE=token, and chmod 600 ~/.ray/auth_token). A run that was ended in whatever way goes on
with the same command, for every part is a set of files that are there whole or not at all.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # of what is begun here; on a cluster its administrator decides

import ray


@ray.remote(num_cpus=1, max_retries=5)
def make(folder: str, words: list[str], part: tuple[int, int], unit: int) -> int:
    """Make a part in a process of its own node, and return how many of its files were made now."""
    import onnxmint

    os.chdir(folder)
    os.sched_setaffinity(
        0, sorted(os.sched_getaffinity(0))[:1]
    )  # Ray gives a task one core, but does not hold it to it
    model, auditor, images, parts = words
    settings = onnxmint.AuditSettings(device="cpu")
    done = onnxmint.audit_part(model, images, auditor, parts, part=part, settings=settings, unit=unit)
    return done.units - done.before


def main() -> None:
    address, *words = sys.argv[1:6]
    if os.environ.get("RAY_AUTH_MODE") != "token":
        sys.exit("set RAY_AUTH_MODE=token, here and where the cluster is started: without it whoever reaches a port of "
                 "the cluster runs code there")  # fmt: skip
    ray.init(address=address, log_to_driver=False)
    given = [int(word) for word in sys.argv[6:]]
    count, unit = given or (4 * int(ray.cluster_resources().get("CPU", 1)), 1000)
    here = str(Path.cwd())
    waiting = [make.remote(here, words, (number, count), unit) for number in range(1, count + 1)]
    made = 0
    while waiting:
        done, waiting = ray.wait(waiting)
        made += sum(ray.get(done))
        print(f"{count - len(waiting)} of {count} parts are there, {made} files were made now", flush=True)


if __name__ == "__main__":
    main()
