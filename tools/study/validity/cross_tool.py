"""The same scores through SACRO-ML's metrics and through ours (`pip install sacroml`; needs no models or images).

    python tools/study/validity/cross_tool.py

SACRO-ML interpolates the ROC curve where we take the largest rate that the false-positive rate allows, so rates may
differ by one image; AUC and the test of AUC = 1/2 must agree.
"""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from sacroml.metrics import _tpr_at_fpr, get_metrics
from scipy.stats import norm

from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.metrics import auc, tpr_at_fpr
from onnxmint.stats.set_test import compare_sets

FPRS = (0.1, 0.01)
ROUNDING = 1e-7  # SACRO-ML keeps eight places


def compare(auc_wanted: float, count: int, *, ties: bool, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    member = rng.normal(np.sqrt(2) * norm.ppf(auc_wanted), 1, count)
    nonmember = rng.normal(0, 1, count)
    if ties:
        member, nonmember = np.round(member, 1), np.round(nonmember, 1)
    score = np.concatenate([member, nonmember])
    probability = norm.cdf(score)
    truth = (np.arange(2 * count) < count).astype(int)
    theirs = get_metrics(np.stack([1 - probability, probability], axis=1), truth, permute_rows=False)
    found = compare_sets(member, HeldOut.of(member, nonmember), alpha=0.05)
    rates = {
        str(fpr): [tpr_at_fpr(member, nonmember, fpr), float(_tpr_at_fpr(truth, probability, fpr, fpr_perc=False))]
        for fpr in FPRS
    }
    return {
        "auc_wanted": auc_wanted, "count": count, "ties": ties,
        "auc": [auc(member, nonmember), float(theirs["AUC"])],
        "p_value": [found.p_value, float(theirs["P_HIGHER_AUC"])],
        "tpr_at_fpr": rates,
    }  # fmt: skip


def main() -> None:
    rows = [
        compare(wanted, count, ties=ties, seed=number)
        for number, (wanted, count, ties) in enumerate(
            (wanted, count, ties) for wanted in (0.5, 0.6, 0.8) for count in (100, 2000) for ties in (False, True)
        )
    ]
    for row in rows:
        assert abs(row["auc"][0] - row["auc"][1]) < ROUNDING, row  # noqa: S101
        assert all(abs(a - b) <= 2 / row["count"] + 1e-9 for a, b in row["tpr_at_fpr"].values()) or row["ties"], row  # noqa: S101
        print(json.dumps(row))
    file = Path(__file__).parent / "results" / "cross_tool.json"
    file.write_text(json.dumps({"sacroml": metadata.version("sacroml"), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
