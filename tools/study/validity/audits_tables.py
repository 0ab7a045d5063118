"""Tables of whole audits, with known members and without."""

from collections.abc import Sequence

from cells import ALPHA, Row, mean, percent, table, with_interval


def audits(lines: list[Row]) -> str:
    targets = sorted({line["target"] for line in lines})
    means = {name: mean([line["auc"] for line in lines if line["target"] == name]) for name in targets}
    text = f"""## Innocent sets that look guilty, and guilty ones that look innocent

`audits.py`: {len(lines)} auditors, each of its own 1,000 + 1,000 known images of one of
{", ".join(f"{name} (AUC {mean:.3f})" for name, mean in means.items())}, on 2 views, with every control; 300 questioned
images a set, drawn anew. "Easiest 80 %": of non-members, those that another classifier is surest of. "By the target":
its own top class is told as the label. Copies are of images that are not among the known. Intervals are exact
(Clopper-Pearson). The rule of a verdict was chosen by looking at sets of other images (draw 0 of `bank.py`): here known
and questioned images are of draw 1, and the rule was fixed before. By target: members-found. "All together": audits in
which the set scores higher whatever the model's confidence, by one test that holds its level on average, which was all
that a finding took before. Of innocent sets only the first "plain" one was shown to every control; of the others those
that would be findings, so that "no-evidence" is before the controls there.
"""
    said = _by_set(lines)
    return f"{text}\n{_kinds(said, targets)}\n{_levels(said, targets)}"


def _kinds(said: dict[str, list[tuple[str, Row]]], targets: Sequence[str]) -> str:
    """Return how often each kind of set was called what."""
    kinds = ("members-found", "no-evidence")
    rows = []
    for name, found in said.items():
        share = [sum(one["kind"] == kind for _, one in found) / len(found) for kind in kinds]
        alone = sum(one["opinions"]["whatever the confidence"] <= ALPHA for _, one in found) / len(found)
        hits = {of: [one["kind"] == kinds[0] for target, one in found if target == of] for of in targets}
        first = with_interval(share[0], len(found))
        each = (percent(mean(every)) if every else "-" for every in hits.values())
        rows.append((name, str(len(found)), first, *each, percent(share[1]), percent(alone)))
    short = [name.removeprefix("cifar10-") for name in targets]
    return table(("questioned", "audits", kinds[0], *short, kinds[1], "all together"), rows)


def _by_set(lines: list[Row]) -> dict[str, list[tuple[str, Row]]]:
    """Return target and answer of every audit by what was questioned."""
    said: dict[str, list[tuple[str, Row]]] = {}
    for line in lines:
        for name, found in line["sets"].items():
            plain = name.rstrip(" 012") if ", plain" in name else name
            said.setdefault(plain, []).append((line["target"], found))
    return said


_WORDS = {
    "relative": """`relative` and three references that learned none of the known or questioned images. A module that
reads how hard an image is for others could be misled by images that are easy: the rows "easiest" and "labelled by the
target" ask for that.""",
    "trees": "`trees`, which `auto` takes where they are surely better.",
}


def by_another(module: str, lines: list[Row], plain: list[Row]) -> str:
    """Return how the same sets are judged by another module; `plain` are all audits of `audits.py`, by `views`."""
    asked = {(line["target"], line["seed"]) for line in lines}
    beside = [line for line in plain if (line["target"], line["seed"]) in asked]
    aucs = [mean([line["auc"] for line in of]) for of in (lines, beside)]
    text = f"""## Audits by the module `{module}`

`other_modules.py`: {len(lines)} auditors of {", ".join(sorted({line["target"] for line in lines}))} (AUC {aucs[0]:.3f})
and, of the very same evidence, the auditors above with `views` (AUC {aucs[1]:.3f}), asked of the very same sets. The
module is {_WORDS[module]}
"""
    ours, theirs = _by_set(lines), _by_set(beside)
    rows = []
    for name, found in ours.items():
        cells = [str(len(found))]
        for of in (found, theirs.get(name, [])):
            cells += [with_interval(mean([one["kind"] == kind for _, one in of]), len(of)) if of else "-" for kind in
                      ("members-found", "no-evidence")]  # fmt: skip
        rows.append((name, *cells))
    heads = [f"{kind}, `{by}`" for by in (module, "views") for kind in ("members-found", "no-evidence")]
    return text + "\n" + table(("questioned", "audits", *heads), rows)


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
        levels = [percent(mean([value <= level for _, value in at])) for level in (0.02, 0.05, 0.1, 0.2)]
        power = [percent(mean([value <= ALPHA for of, value in at if of == target])) for target in targets]
        rows.append((name, *levels, *power))
    short = [name.removeprefix("cifar10-") for name in targets]
    return text + "\n" + table(("questioned", "2 %", "5 %", "10 %", "20 %", *short), rows)


def alone(lines: list[Row]) -> str:
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
            name, str(len(found)), with_interval(sum(hits) / len(hits), len(hits)),
            *(percent(sum(every) / max(len(every), 1)) for every in share.values()), percent(bare),
        ))  # fmt: skip
    head = ("questioned", "audits", "members-found", *(name.removeprefix("cifar10-") for name in targets))
    return text + "\n" + table((*head, "one test, on average, would find"), rows)
