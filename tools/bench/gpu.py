"""Everything that wants a CUDA device, in one command of less than nine minutes; the same path runs on a CPU.

    pip install ".[cuda]" && python tools/bench/gpu.py            (--device cpu: to see that it works)
    python tools/bench/third.py ../shared case && python tools/bench/gpu.py --case case --preprocess 0-255

Steps: the provider really ran; scores as on the CPU; ResNet-50 at 224 against bare IO binding with pixels on the device
already; upload from pinned memory with two sessions against today's turns; a whole audit; memory. What is known is
saved after every step, and a step that does not fit into --seconds is a row that says so.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bound import Bound, in_two_streams
from measuring import RESULTS, WORK, in_turn, machine, ratio
from networks import make

import onnxmint
from onnxmint.engine.probe import ANSWER, Probe, expose
from onnxmint.engine.session import choose_device, share_cores
from onnxmint.engine.target import make_ready
from onnxmint.engine.worker import Worker
from onnxmint.images.flight import in_order
from onnxmint.settings import AuditSettings, EvidenceSettings, TrainSettings
from onnxmint.workflows.auditing import Known

DEMO = Path(onnxmint.__file__).parent / "demo"
SAME = 1e-5  # largest difference of a score between devices
OF_BARE = 0.9
_LEAST = 60.0  # seconds that a step needs before it is begun


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is measured.

    Attributes:
        device: "cuda" or "cpu".
        network: name of one in networks.py.
        size: height and width of its images.
        images: pixels that are shown in a round.
        rounds: each way is measured so often, in turn.
        case: folder of the whole audit: target.onnx, members, nonmembers and questioned .parquet.
        preprocess: of that target.
        known: images of each kind of known ones.
        questioned: images asked about.
        controls: whether the audit runs them.
    """

    device: str
    network: str
    size: int
    images: int
    rounds: int
    case: Path
    preprocess: str
    known: int
    questioned: int
    controls: bool = True


Row = dict[str, Any]


def probe_of(job: Job) -> Probe:
    """Return what asks the network, one of ours or an ONNX file, for its answer, of pixels as they are."""
    own = not job.network.endswith(".onnx")
    file = make(job.network, WORK, size=job.size).file if own else Path(job.network)
    preprocess = "imagenet" if own else job.preprocess
    target = make_ready(file, EvidenceSettings(preprocess=preprocess, device=job.device))
    exposed = expose(target, [], views=0, labels=False)
    return exposed.probe(batch_size=None, columns={ANSWER: exposed.columns[ANSWER]})


def pixels_of(job: Job, probe: Probe) -> np.ndarray:
    channels = 1 if probe.spec.channels == "gray" else 3
    return np.random.default_rng(0).integers(0, 256, (job.images, job.size, job.size, channels), np.uint8)


def provider(job: Job) -> Row:
    """Run a profiled session and count on which provider its operators ran."""
    probe = probe_of(job)
    ran = Bound(probe, profile=WORK).providers_of(pixels_of(job, probe)[: probe.batch_size])
    share = ran.get(probe.device.provider, 0) / max(1, sum(ran.values()))
    return {
        "what": f"operators of {job.network} by provider: {', '.join(f'{k} {v}' for k, v in sorted(ran.items()))}",
        "found": round(share, 3),
        "wanted": "most on the device's",
        "reached": share > 0.5,  # noqa: PLR2004 - most
    }


def speed(job: Job) -> Row:
    """Measure ours from pixels in memory, two streams with pinned memory, and the bare session."""
    probe = probe_of(job)
    pixels = pixels_of(job, probe)
    workers, threads = share_cores(probe.device)
    batches = [pixels[start : start + probe.batch_size] for start in range(0, len(pixels), probe.batch_size)]
    worker = Worker(probe, threads=threads)
    bare = Bound(probe, threads=workers * threads)
    pair = [Bound(probe, threads=max(1, workers * threads // 2)) for _ in range(2)]
    shown = bare.upload(batches[0])

    def ours() -> list[Any]:
        return list(in_order(batches, lambda batch, _: worker.show(batch, None)[ANSWER], workers=workers))

    def resident() -> None:
        for _ in batches:
            bare.run(shown)

    jobs = {"ours": ours, "two streams": lambda: in_two_streams(pair, batches), "bare": resident}
    for one in jobs.values():
        one()  # the first run chooses kernels
    taken = in_turn(jobs, job.rounds)
    share = ratio(taken["bare"], taken["ours"])
    one_by_one = np.concatenate([as_numpy(value) for value in ours()])
    apart = float(np.abs(one_by_one - np.concatenate(in_two_streams(pair, batches))).max())
    return {
        "what": f"{job.network} at {job.size}, batches of {probe.batch_size}: ours of bare IO binding on the device",
        "network": job.network,
        "images per second": {name: round(len(pixels) / float(np.median(all_)), 1) for name, all_ in taken.items()},
        "two streams against today's turns": round(ratio(taken["ours"], taken["two streams"]), 3),
        "largest difference between the ways": float(f"{apart:.1g}"),
        "found": round(share, 3),
        "wanted": OF_BARE,
        "reached": share >= OF_BARE,
    }


def as_numpy(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else value.cpu().numpy()


def audit(job: Job) -> Row:
    """Audit on the device and on the CPU by one auditor, trained on the device."""
    seconds, found = {}, {}
    known: Any = Known(
        members=job.case / "members.parquet",
        nonmembers=job.case / "nonmembers.parquet",
        training=TrainSettings(
            preprocess=job.preprocess, device=job.device, limit=job.known, views=2, controls=job.controls
        ),
    )
    images, kept = f"{job.case}/questioned.parquet?rows=0:{job.questioned}", list[Any]()
    for device in (job.device, "cpu"):
        start = time.perf_counter()
        settings = AuditSettings(device=device, controls=job.controls)
        found[device if device not in found else "cpu again"] = onnxmint.audit(
            job.case / "target.onnx", images, known, settings=settings, keep=kept.append
        )
        seconds[f"{device}, {'training included' if kept and known is not kept[0] else 'scoring'}"] = round(
            time.perf_counter() - start, 1
        )
        known = kept[0]
    mine, theirs = found.values()
    apart = float(np.abs(mine.scores.score - theirs.scores.score).max())
    return {
        "what": f"a whole audit of {job.case.name}: {job.questioned} questioned, {job.known} known of each kind, "
        f"{'all' if job.controls else 'no'} controls; provider {mine.target.provider}, verdict {mine.verdict.kind}, on "
        f"the CPU {theirs.verdict.kind}",
        "seconds": seconds,
        "found": float(f"{apart:.1g}"),
        "wanted": f"scores within {SAME:g}",
        "reached": apart <= SAME and mine.verdict.kind == theirs.verdict.kind,
    }


def memory(job: Job) -> Row:
    """Return what the process took in all of this, on the host and on the device."""
    unit = 1 if sys.platform == "darwin" else 1024
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    device = None
    if job.device == "cuda":
        import torch

        free, every = torch.cuda.mem_get_info()
        device = round((every - free) / 1e6)
    words = f"peak of this process; on the device, by all processes now: {device if device is not None else 'none'} MB"
    return {"what": words, "found": round(host), "wanted": "MB, no limit", "reached": True}


STEPS: dict[str, Callable[[Job], Row]] = {
    "provider": provider,
    "speed": speed,
    "audit": audit,
    "memory": memory,
}


def run(job: Job, seconds: float, steps: list[str], place: Path) -> list[Row]:
    """Take the steps that fit; what is known is saved after each."""
    begun, about, rows = time.perf_counter(), machine(), list[Row]()
    about["device"] = name_of(job.device)
    for step in steps:
        left = seconds - (time.perf_counter() - begun)
        start = time.perf_counter()
        if left < min(_LEAST, seconds / 4) and step != "memory":
            found: Row = {"what": f"not begun: {left:.0f} s were left", "reached": False}
        else:
            found = STEPS[step](job)
        took = round(time.perf_counter() - start, 1)
        rows.append({"step": step, "device": job.device, "name": about["device"], **found, "took, s": took})
        place.write_text(json.dumps({"benchmark": "gpu", "machine": about, "rows": rows}, indent=1) + "\n")
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    return rows


def name_of(device: str) -> str:
    """Return the device's own name."""
    if device == "cpu":
        return "CPU"
    import torch

    return torch.cuda.get_device_name()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--network", default="resnet50", help="one of networks.py, or an ONNX file")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--images", type=int, help="shown in a round; the default suits the device")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=500, help="no step is begun that would end later")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--case", type=Path, default=DEMO, help="of the whole audit: target.onnx and its images")
    parser.add_argument("--preprocess", default="0-1")
    parser.add_argument("--known", type=int, default=500)
    parser.add_argument("--questioned", type=int, default=400)
    parser.add_argument("--no-controls", dest="controls", action="store_false")
    parser.add_argument("-o", "--output", type=Path, help="default: results/gpu-DEVICE.json")
    options = vars(parser.parse_args())
    seconds, steps, place = options.pop("seconds"), options.pop("steps"), options.pop("output")
    choose_device(options["device"])  # refused at once, with what mends it
    options["images"] = options["images"] or (4096 if options["device"] == "cuda" else 32)
    WORK.mkdir(exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    rows = run(Job(**options), seconds, steps, place or RESULTS / f"gpu-{options['device']}.json")
    sys.exit(0 if all(row["reached"] for row in rows) or options["device"] == "cpu" else 1)


if __name__ == "__main__":
    main()
