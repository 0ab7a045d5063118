"""What the published MINT modules find in third-party classifiers, beside simple baselines (issue 2, item 2).

For each model of ../shared/models: known members, known non-members and questioned images (half members) are drawn at
random with the seed from ../shared/data, an auditor is trained for each module, and the questioned images are audited.
Each run is a process of its own, so that its peak memory is its own. Results: tools/study/third_party.json and .md.

    python tools/study/third_party.py --shared ../shared [--evidence 4000] [--questioned 1000] [--seed 0]
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HERE = Path(__file__).parent
TARGETS: dict[str, dict[str, Any]] = {
    "cifar10-resnet20": {"data": "cifar10.parquet", "preprocess": "imagenet"},
    "cifar10-large-nhwc": {"data": "cifar10.parquet", "preprocess": "0-1"},
    "gtsrb-cnn-batch1": {"data": "gtsrb.parquet", "preprocess": "0-1", "group": "track"},
}
MODULES = (  # module, layer
    ("cnn", "auto"),
    ("vanilla", "auto"),
    ("vanilla", "penultimate"),
    ("vanilla", "logits"),
    ("views", "auto"),
)


def membership(table: pa.Table, data: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers of members and non-members.

    GTSRB: the model was trained on the competition rows of the training split, so its other training rows are
    non-members of nearly the same distribution. CIFAR-10: official train against test.
    """
    train = pc.equal(table["split"], "train").to_numpy(zero_copy_only=False)
    if data == "gtsrb.parquet":
        trained = np.array(table["competition_train"].to_pylist(), dtype=bool)
        return np.flatnonzero(train & trained), np.flatnonzero(train & ~trained)
    return np.flatnonzero(train), np.flatnonzero(~train)


def draw(
    rows: np.ndarray, groups: np.ndarray | None, evidence: int, questioned: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw evidence and questioned rows that share no group."""
    if groups is None:
        rows = rng.permutation(rows)
        return rows[:evidence], rows[evidence : evidence + questioned]
    order = {group: place for place, group in enumerate(rng.permutation(np.unique(groups[rows])))}
    rows = rows[np.argsort([order[group] for group in groups[rows]], kind="stable")]
    asked = rows[:questioned]
    rest = rows[~np.isin(groups[rows], np.unique(groups[asked]))]
    return rest[:evidence], asked


def make_sets(shared: Path, name: str, evidence: int, questioned: int, seed: int, folder: Path) -> None:
    """Write members, nonmembers and questioned Parquet files; the questioned ones carry the truth as `member`."""
    data = TARGETS[name]["data"]
    table = pq.read_table(shared / "data" / data)
    rng = np.random.default_rng(seed)
    groups = table["track"].to_numpy() if "group" in TARGETS[name] else None
    member_rows, nonmember_rows = membership(table, data)
    members, asked_members = draw(member_rows, groups, evidence, questioned // 2, rng)
    nonmembers, asked_nonmembers = draw(nonmember_rows, groups, evidence, questioned - questioned // 2, rng)
    columns = ["image", "label", *(["track"] if groups is not None else [])]
    small = table.select(columns)
    pq.write_table(small.take(members), folder / "members.parquet")
    pq.write_table(small.take(nonmembers), folder / "nonmembers.parquet")
    truth = np.repeat([True, False], [len(asked_members), len(asked_nonmembers)])
    asked = small.take(np.concatenate([asked_members, asked_nonmembers])).append_column("member", pa.array(truth))
    pq.write_table(asked.take(rng.permutation(len(truth))), folder / "questioned.parquet")


def audit_once(shared: Path, name: str, module: str, layer: str, seed: int, folder: Path) -> dict[str, Any]:
    """Train and audit in this process; return the facts and the cost."""
    from onnxmint.auditing import audit
    from onnxmint.settings import AuditSettings, TrainSettings
    from onnxmint.stats.metrics import auc
    from onnxmint.training import train

    facts, model = TARGETS[name], shared / "models" / f"{name}.onnx"
    start = time.perf_counter()
    settings = TrainSettings(
        preprocess=facts["preprocess"], module=module, layer=layer, group=facts.get("group"), seed=seed
    )
    auditor = train(model, folder / "members.parquet", folder / "nonmembers.parquet", settings=settings)
    trained = time.perf_counter()
    result = audit(
        model, folder / "questioned.parquet", auditor, settings=AuditSettings(group=facts.get("group"), seed=seed)
    )
    end = time.perf_counter()
    (folder / f"auditor-{name}-{module}-{layer}.onnx").write_bytes(auditor.model)
    report = result.to_dict()
    truth = np.array(pq.read_table(folder / "questioned.parquet", columns=["member"])["member"].to_pylist())
    for row in (report["performance"], *report["baselines"]):
        row.pop("roc", None)
    return {
        "target": name,
        "module": module,
        "layer": report["method"]["layer"],
        "seed": seed,
        "evidence": report["evidence"],
        "performance": report["performance"],
        "baselines": report["baselines"],
        "questioned": {
            "images": len(truth),
            "members": int(truth.sum()),
            "flagged": int(result.scores.flagged.sum()),
            "auc": auc(result.scores.score[truth], result.scores.score[~truth]),
        },
        "verdict": {"kind": report["verdict"]["kind"], "p_value": report["verdict"]["p_value"]},
        "seconds": {"train": round(trained - start, 1), "audit": round(end - trained, 1)},
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table: one line a score, on the test part."""
    lines = [
        "| target | score | AUC | 95 % interval | TPR at 1 % FPR | 95 % interval | train + audit, s | peak MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in dict.fromkeys(row["target"] for row in rows):
        mine = [row for row in rows if row["target"] == name]
        for row in mine:
            cost = f"{row['seconds']['train']:.0f} + {row['seconds']['audit']:.0f} | {row['peak_rss_mb']}"
            label = f"`{row['module']}` on {row['layer']}"
            lines.append(f"| {name} | {label} | {cells(row['performance'])} | {cost} |")
        lines += [f"| | {base['name']} | {cells(base)} | | |" for base in mine[0]["baselines"] if "auc" in base]
    return "\n".join(lines) + "\n"


def cells(found: dict[str, Any]) -> str:
    """Return AUC and TPR at 1 % FPR with their intervals."""
    auc, tpr = found["auc"], found["tpr_at_fpr"]["0.01"]
    return (
        f"{auc['value']:.3f} | {auc['low']:.3f} to {auc['high']:.3f} | "
        f"{tpr['value']:.3f} | {tpr['low']:.3f} to {tpr['high']:.3f}"
    )


def main() -> None:
    """Run every target and module, each in its own process, and write JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="the folder with models/ and data/")
    parser.add_argument("--evidence", type=int, default=4000)
    parser.add_argument("--questioned", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs=4, metavar=("TARGET", "MODULE", "LAYER", "FOLDER"), help="one run, JSON on stdout"
    )
    given = parser.parse_args()
    if given.only:
        name, module, layer, folder = given.only
        print(json.dumps(audit_once(given.shared, name, module, layer, given.seed, Path(folder))))
        return
    rows = []
    for name in TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            make_sets(given.shared, name, given.evidence, given.questioned, given.seed, Path(folder))
            for module, layer in MODULES:
                command = [sys.executable, __file__, "--shared", str(given.shared), "--seed", str(given.seed)]
                done = subprocess.run(
                    [*command, "--only", name, module, layer, folder], check=True, stdout=subprocess.PIPE, text=True
                )
                rows.append(json.loads(done.stdout))
                print(name, module, layer, rows[-1]["performance"]["auc"], rows[-1]["verdict"], file=sys.stderr)
    machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
    facts = {"script": "tools/study/third_party.py", "arguments": vars(given) | {"shared": "../shared"}, **machine}
    facts["arguments"].pop("only")
    (HERE / "third_party.json").write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n")
    (HERE / "third_party.md").write_text("# Third-party classifiers\n\n" + table(rows))


if __name__ == "__main__":
    main()
