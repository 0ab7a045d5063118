"""The validity study's results as Markdown: README.md is made from results/*.json and nothing else."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy.stats import binomtest
from sequential_tables import in_lots

Row = dict[str, Any]
ALPHA = 0.05

HEAD = """# Validity: do the error rates hold?

Made by `python tools/study/validity/validity.py --shared ../shared` from `results/`; do not edit. "Evidence" is the
number of known members and of known non-members, half of which is held out and serves as the yardstick. Levels are 5 %.
With 1,000 simulated audits a true rate of 5 % is measured as 3.6 to 6.4 %. All but "Innocent sets that look guilty" was
measured while a finding took one test, the set test with its level on average over auditors (`--guarantee average`).
"""


def write_tables(results: Path, file: Path) -> None:
    """Write every table for which there are results."""
    parts = [HEAD]
    for name, render in RENDER.items():
        path = results / f"{name}.json"
        if path.exists():
            parts.append(render(json.loads(path.read_text())))
    if judged := read_lines(results, "audits_2views"):
        parts.append(_audits(judged))
    if judged := read_lines(results, "alone"):
        parts.append(_alone(judged))
    if (simulated := results / "sequential_simulated.json").exists():
        parts.append(in_lots(json.loads(simulated.read_text()), read_lines(results, "sequential_audits")))
    file.write_text("\n".join(parts))


def read_lines(results: Path, stem: str) -> list[Row]:
    """Return all lines of the files whose names begin so."""
    return [
        json.loads(line) for file in sorted(results.glob(f"{stem}*.jsonl")) for line in file.read_text().splitlines()
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _with_interval(share: float, runs: int) -> str:
    """Return a measured share with its exact 95 % interval (Clopper-Pearson)."""
    interval = binomtest(round(share * runs), runs).proportion_ci()
    return f"{_percent(share)} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _null(rows: list[Row]) -> str:
    text = """## Audits without a member

Questioned images are all non-members. `members-found`: the whole verdict, which also asks that known members are told
apart. "Set": the test of the set alone. "Uniform": Kolmogorov-Smirnov p-value of the (smoothed) p-values of images.
"""
    return text + "\n" + _table(
        ("scores", "evidence", "questioned", "audits", "members-found", "set p <= .05", "uniform"),
        [
            (r["family"], str(r["evidence"]), str(r["questioned"]), str(r["runs"]), _percent(r["members_found"]),
             _percent(r["set_below_alpha"]), f"{r['image_ks_p']:.2f}")
            for r in rows
        ],
    )  # fmt: skip


def _crossed(rows: list[Row]) -> str:
    text = """## Cross-fitted audits without a member

Five folds, logistic regression. "Share" is the coverage of the 95 % interval of the share (truth 0).
"""
    return text + "\n" + _table(
        ("module", "evidence", "questioned", "audits", "set p <= .05", "image p <= .05", "share covers"),
        [
            (r["family"].removeprefix("cross-fitted, "), str(r["evidence"]), str(r["questioned"]), str(r["runs"]),
             _percent(r["set_below_alpha"]), _percent(r["image_below_alpha"]), _percent(r["share_covers"]))
            for r in rows
        ],
    )  # fmt: skip


def _discoveries(rows: list[Row]) -> str:
    text = (
        "## False discoveries\n\nShare of flags that are false, averaged over audits; and of members that are found.\n"
    )
    return text + "\n" + _table(
        ("scores", "share of members", "audits", "Benjamini-Hochberg", "finds", "Storey", "finds"),
        [
            (r["family"], _percent(r["share"]), str(r["runs"]), _percent(r["false_discovery_rate"]["bh"]),
             _percent(r["found"]["bh"]), _percent(r["false_discovery_rate"]["storey"]), _percent(r["found"]["storey"]))
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
         *(f"{_percent(found[s]['covered'])} ({found[s]['width']:.2f})" for s in shares))
        for (family, auc, evidence), found in groups.items()
    ]  # fmt: skip
    return text + "\n" + _table(("scores", "AUC", "evidence", *(f"share {s:g}" for s in shares)), body)


def _power(rows: list[Row]) -> str:
    text = """## Power: is what "would have been found" found?

"Made": share of audits whose evidence allows a promise at all. Where few do, those that do were lucky in their evidence
and keep it less often. "Kept": audits of a set with just that share in which it is found; promised are 95 %. What has
to hold whatever the luck is the last column: a promise is made and broken in at most 5 % of audits.
"""
    return text + "\n" + _table(
        ("scores", "AUC", "evidence", "questioned", "made", "share promised", "kept", "made and broken"),
        [
            (r["family"], "" if r["family"].startswith("cifar") else f"{r['auc']:.2f}", str(r["evidence"]),
             str(r["questioned"]), _percent(r["made"]), _percent(r["share"]), _percent(r["kept"]),
             _percent(r["made"] * (1 - r["kept"]) if r["made"] else 0.0))
            for r in rows
        ],
    )  # fmt: skip


def _difficulty(rows: list[Row]) -> str:
    text = """## Difficulty: "members" that nobody trained on against harder non-members

Non-members are the harder half by a third model; score and reference are the log-odds of the label. References: two
small CNNs that were given, or small classifiers learned from the known images themselves.
"""
    return text + "\n" + _table(
        ("target", "reference", "evidence", "audits", "AUC by the target", "by the reference", "caught",
         "members-found", "without the control"),
        [
            (r["target"], r["reference"], str(r["evidence"]), str(r["runs"]), f"{r['target_auc']:.3f}",
             f"{r['reference_auc']:.3f}", _percent(r["caught"]), _percent(r["members_found"]),
             _percent(r["members_found_without_control"]))
            for r in rows
        ],
    )  # fmt: skip


def _confounds(rows: list[Row]) -> str:
    text = """## Confounded evidence

Members as PNG; non-members of the same source handled as the row says (or of CIFAR-100). Share of audits flagged by the
file and the pixel control; clean evidence is to be flagged rarely.
"""
    return text + "\n" + _table(
        ("non-members", "evidence", "audits", "AUC files", "AUC pixels", "flagged by files", "by pixels", "by either"),
        [
            (r["kind"], str(r["evidence"]), str(r["runs"]), f"{r['auc']['files']:.3f}", f"{r['auc']['pixels']:.3f}",
             _percent(r["flagged"]["files"]), _percent(r["flagged"]["pixels"]), _percent(r["flagged"]["either"]))
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
        failed = ", ".join(f"{name} {_percent(share)}" for name, share in r["failed"].items()) or "none"
        body.append((
            r["target"], str(r["evidence"]), str(r["questioned"]), str(r["runs"]), _percent(r["any_failed"]), failed,
            _with_interval(innocent.get("members-found", 0.0), r["runs"]),
            _with_interval(half.get("members-found", 0.0), r["runs"]),
        ))  # fmt: skip
    return (
        text
        + "\n"
        + _table(
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


def _audits(lines: list[Row]) -> str:
    targets = sorted({line["target"] for line in lines})
    means = {name: _mean([line["auc"] for line in lines if line["target"] == name]) for name in targets}
    text = f"""## Innocent sets that look guilty, and guilty ones that look innocent

`audits.py`: {len(lines)} auditors, each of its own 1,000 + 1,000 known images of one of
{", ".join(f"{name} (AUC {mean:.3f})" for name, mean in means.items())}, on 2 views, with every control; 300 questioned
images a set, drawn anew. "Easiest 80 %": of non-members, those that another classifier is surest of. "By the target":
its own top class is told as the label. Copies are of images that are not among the known. Intervals are exact
(Clopper-Pearson). By target: members-found. "All together": audits in which the set scores higher whatever the model's
confidence, by one test that holds its level on average, which was all that a finding took before. Of innocent sets only
the first "plain" one was shown to every control; of the others those that would be findings, so that "no-evidence" is
before the controls there.
"""
    said = _by_set(lines)
    kinds = ("members-found", "no-evidence")
    rows = []
    for name, found in said.items():
        share = [sum(one["kind"] == kind for _, one in found) / len(found) for kind in kinds]
        alone = sum(one["opinions"]["whatever the confidence"] <= ALPHA for _, one in found) / len(found)
        hits = {of: [one["kind"] == kinds[0] for target, one in found if target == of] for of in targets}
        first = _with_interval(share[0], len(found))
        each = (_percent(_mean(every)) if every else "-" for every in hits.values())
        rows.append((name, str(len(found)), first, *each, _percent(share[1]), _percent(alone)))
    short = [name.removeprefix("cifar10-") for name in targets]
    head = ("questioned", "audits", kinds[0], *short, kinds[1], "all together")
    return text + "\n" + _table(head, rows) + "\n" + _levels(said, targets)


def _by_set(lines: list[Row]) -> dict[str, list[tuple[str, Row]]]:
    """Return target and answer of every audit by what was questioned."""
    said: dict[str, list[tuple[str, Row]]] = {}
    for line in lines:
        for name, found in line["sets"].items():
            plain = name.rstrip(" 012") if ", plain" in name else name
            said.setdefault(plain, []).append((line["target"], found))
    return said


_TRADED = ("innocent, plain", "innocent, 100% labelled by the target", "innocent, easiest 80%", "innocent, easiest 50%",
           "guilty, half", "guilty, all")  # fmt: skip


def _levels(said: dict[str, list[tuple[str, Row]]], targets: Sequence[str]) -> str:
    """Return what other levels of the agreeing tests would give, before the controls."""
    text = """### What care costs

Audits in which all tests agree at a level, before the controls; half of 300 images are members in "guilty, half". The
default is 5 %. The last columns are the power by target at the default.
"""
    rows = []
    for name in _TRADED:
        found = said.get(name, [])
        at = [(of, one["found at"]) for of, one in found if one["found at"] is not None]
        levels = [_percent(_mean([value <= level for _, value in at])) for level in (0.02, 0.05, 0.1, 0.2)]
        power = [_percent(_mean([value <= ALPHA for of, value in at if of == target])) for target in targets]
        rows.append((name, *levels, *power))
    short = [name.removeprefix("cifar10-") for name in targets]
    return text + "\n" + _table(("questioned", "2 %", "5 %", "10 %", "20 %", *short), rows)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)


def _alone(lines: list[Row]) -> str:
    targets = sorted({line["target"] for line in lines})
    text = f"""## Audits that know no members

`alone.py`: {len(lines)} auditors, each of 1,000 known non-members of one of {", ".join(targets)}, and of no known
members; 300 questioned images a set. The score, `gap` on 26 views, was fixed in advance. Rows as above, and two more:
known non-members that are the hardest 80 and 65 % by another classifier, as if they had been collected later. Guilty
sets were not asked for exchangeability, which stops most copies. What is not found is inconclusive, nothing is cleared.
By target: members-found. cifar10-resnet20 hardly gives its training images away (AUC .52), so nothing is found there.
"""
    rows = []
    for name, found in _by_set(lines).items():
        share = {target: [one["kind"] == "members-found" for of, one in found if of == target] for target in targets}
        hits = [hit for every in share.values() for hit in every]
        bare = sum(one["opinions"]["whatever the confidence"] <= ALPHA for _, one in found) / len(found)
        rows.append((
            name, str(len(found)), _with_interval(sum(hits) / len(hits), len(hits)),
            *(_percent(sum(every) / max(len(every), 1)) for every in share.values()), _percent(bare),
        ))  # fmt: skip
    head = ("questioned", "audits", "members-found", *(name.removeprefix("cifar10-") for name in targets))
    return text + "\n" + _table((*head, "one test, on average, would find"), rows)


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
