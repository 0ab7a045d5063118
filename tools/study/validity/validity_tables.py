"""The validity study's results as Markdown: README.md is made from results/*.json and nothing else."""

import json
from pathlib import Path

from audits_tables import alone, audits, by_another
from cells import Row, percent, read_lines, table, with_interval
from sequential_tables import in_lots
from shares_tables import scarce, shares
from staged_tables import staged

HEAD = """# Validity: do the error rates hold?

Made by `python tools/study/validity/validity.py --shared ../shared` from `results/`; do not edit. "Evidence" is the
number of known members and of known non-members, half of which is held out and serves as the yardstick. Levels are 5 %.
With 1,000 simulated audits a true rate of 5 % is measured as 3.6 to 6.4 %. What stands before "Innocent sets that look
guilty" was measured while a finding took one test, the set test with its level on average over auditors
(`--guarantee average`); from there on it is the rule of today.
"""


def write_tables(results: Path, file: Path) -> None:
    """Write every table for which there are results."""
    parts = [HEAD]
    for name, render in RENDER.items():
        path = results / f"{name}.json"
        if path.exists():
            parts.append(render(json.loads(path.read_text())))
    if judged := read_lines(results, "audits_2views"):
        parts.append(audits(judged))
        others = {module: read_lines(results, f"{module}_2views") for module in ("relative", "trees")}
        parts += [by_another(module, lines, judged) for module, lines in others.items() if lines]
    told = {views: read_lines(results, f"shares_{views}views") for views in (2, 26)}
    parts += [shares(views, judged) for views, judged in told.items() if judged]
    if judged := read_lines(results, "scarce"):
        parts.append(scarce(judged))
    if judged := read_lines(results, "alone"):
        parts.append(alone(judged))
    if (simulated := results / "sequential_simulated.json").exists():
        parts.append(in_lots(json.loads(simulated.read_text()), read_lines(results, "sequential_audits")))
    parts.append(staged(results))
    file.write_text("\n".join(parts))


def _null(rows: list[Row]) -> str:
    text = """## Audits without a member

Questioned images are all non-members. `members-found`: the whole verdict, which also asks that known members are told
apart. "Set": the test of the set alone. "Uniform": Kolmogorov-Smirnov p-value of the (smoothed) p-values of images.
"""
    return text + "\n" + table(
        ("scores", "evidence", "questioned", "audits", "members-found", "set p <= .05", "uniform"),
        [
            (r["family"], str(r["evidence"]), str(r["questioned"]), str(r["runs"]), percent(r["members_found"]),
             percent(r["set_below_alpha"]), f"{r['image_ks_p']:.2f}")
            for r in rows
        ],
    )  # fmt: skip


def _crossed(rows: list[Row]) -> str:
    text = """## Cross-fitted audits without a member

Five folds, logistic regression. "Share" is the coverage of the 95 % interval of the share (truth 0).
"""
    return text + "\n" + table(
        ("module", "evidence", "questioned", "audits", "set p <= .05", "image p <= .05", "share covers"),
        [
            (r["family"].removeprefix("cross-fitted, "), str(r["evidence"]), str(r["questioned"]), str(r["runs"]),
             percent(r["set_below_alpha"]), percent(r["image_below_alpha"]), percent(r["share_covers"]))
            for r in rows
        ],
    )  # fmt: skip


def _discoveries(rows: list[Row]) -> str:
    text = (
        "## False discoveries\n\nShare of flags that are false, averaged over audits; and of members that are found.\n"
    )
    return text + "\n" + table(
        ("scores", "share of members", "audits", "Benjamini-Hochberg", "finds", "Storey", "finds"),
        [
            (r["family"], percent(r["share"]), str(r["runs"]), percent(r["false_discovery_rate"]["bh"]),
             percent(r["found"]["bh"]), percent(r["false_discovery_rate"]["storey"]), percent(r["found"]["storey"]))
            for r in rows
        ],
    )  # fmt: skip


def _share(rows: list[Row]) -> str:
    text = """## Share of members: coverage of the 95 % interval

500 questioned images. With 500 audits a true coverage of 95 % is measured as 93 to 97 %. Mean width in brackets.
"""
    shares = sorted({r["share"] for r in rows})
    groups: dict[tuple[str, float, int], dict[float, Row]] = {}
    for r in rows:
        groups.setdefault((r["family"], r["auc"], r["evidence"]), {})[r["share"]] = r
    body = [
        (family, "" if family.startswith("cifar") else f"{auc:.2f}", str(evidence),
         *(f"{percent(found[s]['covered'])} ({found[s]['width']:.2f})" for s in shares))
        for (family, auc, evidence), found in groups.items()
    ]  # fmt: skip
    return text + "\n" + table(("scores", "AUC", "evidence", *(f"share {s:g}" for s in shares)), body)


def _power(rows: list[Row]) -> str:
    text = """## Power: is what "would have been found" found?

"Made": share of audits whose evidence allows a promise at all. Where few do, those that do were lucky in their evidence
and keep it less often. "Kept": audits of a set with just that share in which it is found; promised are 95 %. What has
to hold whatever the luck is the last column: a promise is made and broken in at most 5 % of audits.
"""
    return text + "\n" + table(
        ("scores", "AUC", "evidence", "questioned", "made", "share promised", "kept", "made and broken"),
        [
            (r["family"], "" if r["family"].startswith("cifar") else f"{r['auc']:.2f}", str(r["evidence"]),
             str(r["questioned"]), percent(r["made"]), percent(r["share"]), percent(r["kept"]),
             percent(r["made"] * (1 - r["kept"]) if r["made"] else 0.0))
            for r in rows
        ],
    )  # fmt: skip


def _difficulty(rows: list[Row]) -> str:
    text = """## Difficulty: "members" that nobody trained on against harder non-members

Non-members are the harder half by a third model; score and reference are the log-odds of the label. References: two
small CNNs that were given, or small classifiers learned from the known images themselves.
"""
    return text + "\n" + table(
        ("target", "reference", "evidence", "audits", "AUC by the target", "by the reference", "caught",
         "members-found", "without the control"),
        [
            (r["target"], r["reference"], str(r["evidence"]), str(r["runs"]), f"{r['target_auc']:.3f}",
             f"{r['reference_auc']:.3f}", percent(r["caught"]), percent(r["members_found"]),
             percent(r["members_found_without_control"]))
            for r in rows
        ],
    )  # fmt: skip


def _confounds(rows: list[Row]) -> str:
    text = """## Confounded evidence

Members as PNG; non-members of the same source handled as the row says (or of CIFAR-100). Share of audits flagged by the
file and the pixel control; clean evidence is to be flagged rarely.
"""
    return text + "\n" + table(
        ("non-members", "evidence", "audits", "AUC files", "AUC pixels", "flagged by files", "by pixels", "by either"),
        [
            (r["kind"], str(r["evidence"]), str(r["runs"]), f"{r['auc']['files']:.3f}", f"{r['auc']['pixels']:.3f}",
             percent(r["flagged"]["files"]), percent(r["flagged"]["pixels"]), percent(r["flagged"]["either"]))
            for r in rows
        ],
    )  # fmt: skip


def _pipeline(rows: list[Row]) -> str:
    text = """## Whole audits with all controls

Trained on clean evidence with `views` on 2 views and every control (references learned); then a set without members and
one of which half are members. "Stopped": a control failed that makes the verdict inconclusive; promised is at most 5 %.
In brackets 95 % intervals: so few audits check the whole path, but neither show nor refute that it holds 5 %.
"""
    body = []
    for r in rows:
        innocent, half = r["verdicts"]["innocent"], r["verdicts"]["half"]
        failed = ", ".join(f"{name} {percent(share)}" for name, share in r["failed"].items()) or "none"
        body.append((
            r["target"], str(r["evidence"]), str(r["questioned"]), str(r["runs"]), percent(r["any_failed"]), failed,
            with_interval(innocent.get("members-found", 0.0), r["runs"]),
            with_interval(half.get("members-found", 0.0), r["runs"]),
        ))  # fmt: skip
    return (
        text
        + "\n"
        + table(
            (
                "target",
                "evidence",
                "questioned",
                "audits",
                "stopped",
                "by",
                "innocent: members-found",
                "half: members-found",
            ),
            body,
        )
    )


def _cross_tool(found: Row) -> str:
    return f"""## The same scores through another tool

`cross_tool.py`, SACRO-ML {found["sacroml"]}: {len(found["rows"])} sets of scores with and without ties. AUC agrees to
its eight places, the p-value of AUC = 1/2 up to our continuity correction, the rate at a false-positive rate exactly
without ties (with ties it interpolates where we take what can be had).
"""


RENDER = {
    "null": _null,
    "crossed": _crossed,
    "discoveries": _discoveries,
    "share": _share,
    "power": _power,
    "difficulty": _difficulty,
    "pipeline": _pipeline,
    "confounds": _confounds,
    "cross_tool": _cross_tool,
}
