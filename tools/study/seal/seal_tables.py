"""README.md from results/cells.jsonl and nothing else."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import binomtest, kstest

Row = dict[str, Any]
LABELS, FREE = "odds of the label", "largest probability"
SIGNALS = (LABELS, FREE, "odds of the agreed class", "low entropy")
POWER = 0.9
MOST = 10_000  # pictures
RECIPES = {
    ("cifar10", False): "CIFAR-10, as they are",
    ("cifar10", True): "CIFAR-10, cropped and mirrored",
    ("fashion", False): "Fashion-MNIST, as they are",
    ("fashion", True): "Fashion-MNIST, cropped and mirrored",
}

HEAD = """# Study: sealed pictures

Made by `python tools/study/seal/seal.py --shared ../shared` from `results/`; do not edit.

An owner makes k variants of each picture, publishes one, drawn by a coin, and keeps the others. A model that was not
trained on published variants ranks the published one anywhere among the k: the coin sees to that, so the p-value
(`onnxmint/stats/coin.py`) assumes nothing of model or pictures (Zhang, Das, Kamath and Tramer, arXiv 2409.19798,
section V). What has to be measured is whether a model that *was* trained on them ranks them higher, and by how much.

Targets: CNNs of three convolutions (16, 32 and 64 filters, batch normalisation), trained on one CPU thread on
published variants, 1,000 of each of two or four kinds, as they are for 10 epochs, or cropped (4 pixels of padding) and
mirrored at random for 20; exported to ONNX and asked by the package's engine. k = 8 variants (2 of mirrored pictures).
Pictures are 32 x 32 or 28 x 28 pixels; cut ones are brought back to that size. Everything sealed was trained on, and is
all that was: a larger training set, fewer epochs or a better model leave less. The draw, the split and the weights have
seeds; each line is one target and 1,000 pictures.
"""


def write_tables(lines: Path, file: Path) -> None:
    """Write the page from what is there."""
    rows = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    if not rows:
        return
    kinds, innocent = [row for row in rows if "kind" in row], [row for row in rows if "innocent" in row]
    parts = [HEAD, *_targets(innocent), *_power(kinds), *_signals(kinds), *_variants(kinds), *_innocent(innocent)]
    parts += _resaved(lines.with_name("resaved.json"))
    file.write_text("\n".join(parts) + "\n")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def needed(effect: float, level: float) -> str:
    """Return how many pictures find it in 90 % of draws: an effect adds up over pictures, each of deviation 1."""
    if effect <= 0:
        return "never"
    count = ((-ndtri(level) + ndtri(POWER)) / effect) ** 2
    return f"{int(np.ceil(count)):,}" if count <= MOST else f"over {MOST:,}"


def _recipe(row: Row) -> str:
    return RECIPES[row["data"], row["augment"]]


def _targets(rows: Sequence[Row]) -> Iterator[str]:
    yield "## Targets\n"
    cells = [
        [_recipe(row), row["group"], f"{row['trained_on']:,}", str(row["seed"]),
         *(f"{share:.3f}" for share in row["accuracy"]), f"{row['seconds']:.0f} s"]
        for row in rows
    ]  # fmt: skip
    yield table(
        ("trained on", "group of kinds", "pictures", "seed", "accuracy on these", "on others", "CPU time"), cells
    )


def _power(rows: Sequence[Row]) -> Iterator[str]:
    yield """## Power by kind

Effect: by how many standard deviations of one rank the mean rank of published variants lies above chance. Share of
random subsets of 50 and of 200 pictures with p <= .05 and p <= .001; the p-value of all 1,000; and how many pictures it
takes to find it in 90 % of draws, by the effect. PSNR in dB, SSIM and the largest change of a level against the
picture, medians; of cut, mirrored and moved pictures they say that pixels moved, not that it is seen.
"""
    for title, name in (("with labels", LABELS), ("without labels", FREE)):
        yield f"### Power {title}\n"
        cells = [_power_cells(row, name) for row in rows]
        head = (
            "kind", "target trained on", "effect", "50: p <= .05", "p <= .001", "200: p <= .05", "p <= .001",
            "p of 1,000", "needed for .05", "for .001", "PSNR", "SSIM", "largest",
        )  # fmt: skip
        yield table(head, sorted(cells, key=lambda cell: [*_order(cell[0]), cell[1]]))


def _order(kind: str) -> tuple[int, int]:
    digits = "".join(letter for letter in kind.split(",")[0] if letter.isdigit())
    return [word in kind for word in ("mirror", "crop", "colour", "noise")].index(True), int(digits or 0)


def _power_cells(row: Row, name: str) -> list[str]:
    found, seen = row["signals"][name], row["visible"]
    shares = [f"{share:.0%}" for count in ("50", "200") for share in found["power"][count]]
    p = f"{found['p']:.3f}" if found["log10_p"] > -3 else f"10^{found['log10_p']:.0f}"  # noqa: PLR2004
    return [
        row["kind"], f"{_recipe(row)} (seed {row['seed']})", f"{found['effect']:.3f}", *shares, p,
        needed(found["effect"], 0.05), needed(found["effect"], 0.001),
        f"{seen['psnr']:.1f}", f"{seen['ssim']:.3f}", f"{seen['largest']:.0f}",
    ]  # fmt: skip


def _signals(rows: Sequence[Row]) -> Iterator[str]:
    yield "## Which score\n\nMean effect over all kinds. The agreed class: what the mean of variants says.\n"
    cells = []
    for key, words in RECIPES.items():
        mine = [row for row in rows if (row["data"], row["augment"]) == key]
        if mine:
            effects = [np.mean([row["signals"][name]["effect"] for row in mine]) for name in SIGNALS]
            cells.append([words, *(f"{effect:.3f}" for effect in effects)])
    yield table(("target trained on", *SIGNALS), cells)


def _variants(rows: Sequence[Row]) -> Iterator[str]:
    yield "## How many variants\n\nMean effect over all kinds with 8 variants; 2 and 4: the others as if never made.\n"
    cells = []
    for key, words in RECIPES.items():
        mine = [row for row in rows if (row["data"], row["augment"]) == key and row["variants"] == 8]  # noqa: PLR2004
        if mine:
            means = [
                np.mean([_effect(row, name, count) for row in mine]) for name in (LABELS, FREE) for count in (2, 4, 8)
            ]
            cells.append([words, *(f"{mean:.3f}" for mean in means)])
    yield table(("target trained on", "labels, k = 2", "4", "8", "without, k = 2", "4", "8"), cells)


def _effect(row: Row, name: str, count: int) -> float:
    found = row["signals"][name]
    value: float = found["effect"] if count == row["variants"] else found["effect_of_fewer"][str(count)]
    return value


def _innocent(rows: Sequence[Row]) -> Iterator[str]:
    kinds = [found for row in rows for found in row["innocent"].values()]
    draws = 10_000 * len(kinds)
    yield f"""## False alarms

Pictures of another group, sealed alike, that the target was not trained on: its real answers, {len(kinds)} times 300
pictures. "As drawn": sets of 50 with the coin as it was thrown, all p-values of a score. "Coin thrown again": 10,000
draws a set of 300 for one score without labels. Exact 95 % intervals; Kolmogorov-Smirnov against uniform.
"""
    cells = []
    for name in (LABELS, FREE):
        p_values = np.array([p for found in kinds for p in found["p"][name]])
        cells.append([f"as drawn, {name}", f"{len(p_values):,}", *(_share(p_values <= one) for one in (0.05, 0.001)),
                      f"{kstest(p_values, 'uniform').pvalue:.2f}"])  # fmt: skip
    again = [np.mean([found["redrawn"][place] for found in kinds]) for place in (0, 1)]
    cells.append(["coin thrown again", f"{draws:,}", *(_interval(round(one * draws), draws) for one in again), "-"])
    yield table(("test", "p-values", "p <= .05", "p <= .001", "uniform"), cells)


def _resaved(file: Path) -> Iterator[str]:
    if not file.exists():
        return
    yield """## What JPEG leaves

300 pictures of CIFAR-10, 8 variants, without a model: whoever collects saves the published one as JPEG. Left: the part
of what tells variants apart. Nearest: pictures that are still nearest to the variant that they were; 12.5 % by chance.
"""
    rows = json.loads(file.read_text())
    qualities = list(dict.fromkeys(row["quality"] for row in rows))
    cells = []
    for start in range(0, len(rows), len(qualities)):
        mine = rows[start : start + len(qualities)]
        change = mine[0]["change"]
        noise = f"noise {change['noise']:g} on {change['cells']} cells"
        name = noise if change["noise"] else f"crop 1/{1 / change['crop']:.0f}"
        cells.append([name, *(f"{row['left']:.2f}, {row['nearest']:.1%}" for row in mine)])
    yield table(("kind", *(f"left, nearest at quality {quality}" for quality in qualities)), cells)


def _share(hits: np.ndarray) -> str:
    return _interval(int(hits.sum()), len(hits))


def _interval(hits: int, count: int) -> str:
    found = binomtest(hits, count).proportion_ci()
    return f"{100 * hits / count:.2f} % ({100 * found.low:.2f} to {100 * found.high:.2f})"
