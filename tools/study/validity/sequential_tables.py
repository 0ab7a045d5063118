"""Audits in growing lots as Markdown, of results/sequential*."""

from collections.abc import Iterator, Sequence

import numpy as np
from cells import Row, percent, table, with_interval

_CHOSEN = "growth 2, early 0.2"
_WAYS = ("fixed", "growth 2, early 0.1", _CHOSEN, "growth 2, early 0.3", "growth 1.5, early 0.2", "growth 4, early 0.2")
_VIEWS = 26

_SIMULATED = """## Audits in growing lots (`--sequential`)

Made by `sequential.py`. Normal scores, 500 held-out non-members, sets of 1,000; 4,000 audits a cell, of which an
innocent set counts as found when any look finds members: no habit of stopping finds more often. Cells: found; mean
images looked at. "Early" is the part of the level that is spent before the last look. Bets: an e-process on online
conformal p-values, which holds on average over auditors only; 1,000 audits. It needs about half the images, but knows
neither strata nor the guarantee for each auditor, so it could not carry the whole rule of a verdict.
"""
_ROOM = """### Images at the same power

The fixed test needs so many images for a power of 90 % (2,000 audits; guarantee for each auditor). Of a set with 10 %
more, looked at in lots:
"""
_AUDITS = """### The whole rule on recorded columns

Sets of 1,000 unseen images, innocent or half members; auditors of 1,000 + 1,000 known images, 26 views, guarantee for
each of 95 % of auditors; controls left out. "Fixed": all at once. "Ever": some look finds members. Passes: forward
passes of the auditor (26 an image) a verdict, thousands. Where nothing is known but at the end (no evidence only of the
whole set, or inconclusive), lots save nothing.
"""


def in_lots(simulated: Row, judged: Sequence[Row]) -> str:
    """Return the tables."""
    return "\n".join([_SIMULATED, *_plans(simulated["sets"]), _ROOM, _room(simulated["room"]), *_judged(judged)])


def _plans(rows: Sequence[Row]) -> Iterator[str]:
    for guarantee, words in (("each", "for each of 95 % of auditors"), ("average", "on average over auditors")):
        ways = [*_WAYS, *(["bets"] if guarantee == "average" else [])]
        cells = [[row[f"{way}, {guarantee}"] for way in ways] for row in rows]
        yield f"Guarantee {words}:\n"
        yield table(
            ["AUC", "share of members", *ways],
            [
                [
                    f"{row['auc']:.2f}",
                    f"{row['share']:g}",
                    *(f"{100 * one['found']:.1f} %; {one['images']:.0f}" for one in line),
                ]
                for row, line in zip(rows, cells, strict=True)
            ],
        )


def _room(rows: Sequence[Row]) -> str:
    return table(
        ["AUC", "share of members", "fixed needs", "power", "power in lots", "mean images in lots"],
        [
            [
                f"{row['auc']:.2f}",
                f"{row['share']:g}",
                f"{row['fixed needs']}",
                f"{100 * row['power']:.1f} %",
                f"{100 * row['in lots: found']:.1f} %",
                f"{row['in lots: images']:.0f}",
            ]
            for row in rows
            if "fixed needs" in row
        ],
    )


def _judged(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    lines = []
    for guilty in (False, True):
        for target in (*sorted({row["target"] for row in rows}), None):
            mine = [row for row in rows if row["guilty"] == guilty and target in (row["target"], None)]
            lines.append(_line(target or "all", "half members" if guilty else "innocent", mine))
    head = ["target", "set", "sets (auditors)", "fixed: found", "ever found", "fixed: no evidence", "in lots"]
    yield _AUDITS
    yield table([*head, "median images", "mean", "passes, fixed", "in lots"], lines)


def _line(target: str, kind: str, rows: Sequence[Row]) -> list[str]:
    count, images = len(rows), np.array([row["images"] for row in rows])
    ever = sum(row["ever found"] for row in rows)
    return [
        target,
        kind,
        f"{count} ({len({(row['target'], row['auditor']) for row in rows})})",
        _share(rows, "fixed", "members-found"),
        with_interval(ever / count, count),
        _share(rows, "fixed", "no-evidence"),
        _share(rows, "kind", "no-evidence"),
        f"{np.median(images):.0f}",
        f"{images.mean():.0f}",
        f"{_VIEWS:.1f}",
        f"{_VIEWS * images.mean() / 1000:.1f}",
    ]


def _share(rows: Sequence[Row], key: str, kind: str) -> str:
    return percent(float(np.mean([row[key] == kind for row in rows])))
