"""Tables of the share that auditors of real targets state, and of what scarce evidence allows."""

from collections.abc import Callable, Sequence

from cells import ALPHA, Row, mean, percent, table, with_interval

_HALF = 0.5


def shares(views: int, lines: list[Row]) -> str:
    """Return coverage of the share's interval by target and true share, and whether promises are kept."""
    truths = sorted({one["truth"] for line in lines for one in line["sets"]})
    text = f"""### The share of members on real targets, {views} views

`shares.py`: {len(lines)} auditors of 1,000 + 1,000 known images, sets of 300 beside known images of equal confidence.
Coverage of the 95 % interval of the share; mean estimate and mean width in brackets. "Promised": the share that the
auditor says it would find with 95 % probability, "kept": how often the set test finds just that share, "verdict": how
often the whole verdict does, with its second opinions and before controls; "half found": sets of half members that the
whole verdict finds. A share is told only where the gate opened and members stood out: of cifar10-resnet20 these are
lucky auditors, so that its intervals cover small shares less often.
"""
    rows = []
    for target in sorted({line["target"] for line in lines}):
        mine = [line for line in lines if line["target"] == target]
        told = [[one["share"] for line in mine for one in line["sets"] if one["truth"] == truth] for truth in truths]
        cells = [_cell(truth, [one for one in found if one]) for truth, found in zip(truths, told, strict=True)]
        made = [line["promised"] for line in mine if line["promised"]]
        kept, found = (
            percent(mean([test(one) for one in made])) if made else "-"
            for test in (lambda one: one["p"] <= ALPHA, lambda one: one["kind"] == "members-found")
        )
        promised = percent(mean([one["truth"] for one in made])) if made else "-"
        half = [one["kind"] == "members-found" for line in mine for one in line["sets"] if one["truth"] == _HALF]
        auc = mean([line["auc"] for line in mine])
        rows.append(
            (
                target,
                f"{auc:.3f}",
                str(len(mine)),
                *cells,
                f"{promised} ({len(made)})",
                kept,
                found,
                percent(mean(half)),
            )
        )
    head = ("target", "AUC", "auditors", *(f"share {truth:g}" for truth in truths), "promised (auditors)", "kept")
    return f"{text}\n{table((*head, 'verdict', 'half found'), rows)}"


def _cell(truth: float, told: Sequence[tuple[float, float, float]]) -> str:
    covered = [low <= truth <= high for _, low, high in told]
    value, width = mean([one[0] for one in told]), mean([high - low for _, low, high in told])
    return f"{percent(mean(covered))} ({value:.2f}, {width:.2f})"


def scarce(lines: list[Row]) -> str:
    """Return what becomes of innocent and guilty sets by the number of known images, in parts and in folds."""
    targets = sorted({line["target"] for line in lines})
    text = f"""### Scarce evidence, weak models, cross-fitting

`scarce.py`: {len(lines)} draws of known images of {", ".join(targets)}, 2 views, sets of 300, no controls. "Open":
auditors that tell known members apart, so that an answer is given at all. "Innocent": sets called members, among those
of open auditors; then half and all members found, of all auditors. Parts: 40 % of the known images are fitted on, half
are held out. Folds: all are fitted on and held out, but networks that learned from each other's images err alike
(their variance counts 2.25 times), and one non-member in five serves the gate only.
"""
    rows = []
    for count in sorted({one["known"] for line in lines for one in line["auditors"]}):
        for way in ("parts", "folds"):
            found = [one for line in lines for one in line["auditors"] if (one["known"], one["way"]) == (count, way)]
            rows.append((str(count), way, *_scarce(found)))
    head = ("known a side", "way", "auditors", "AUC", "open", "innocent, if open", "half found", "all found")
    return f"{text}\n{table(head, rows)}"


def _scarce(found: list[Row]) -> tuple[str, ...]:
    def share(name: str, of: Callable[[Row], bool] = lambda _: True) -> tuple[float, int]:
        sets = [one for auditor in found for one in auditor["sets"] if one["set"] == name and of(one)]
        return mean([one["kind"] == "members-found" for one in sets]), len(sets)

    wrong, sets = share("innocent", lambda one: one["open"])
    opened = mean([auditor["sets"][0]["open"] for auditor in found])
    return (
        str(len(found)), f"{mean([one['auc'] for one in found]):.3f}", percent(opened),
        with_interval(wrong, sets) if sets else "-", percent(share("half")[0]), percent(share("all")[0]),
    )  # fmt: skip
