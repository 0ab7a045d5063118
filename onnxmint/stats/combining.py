"""One p-value out of several for the same question, however they depend on each other."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Rule = Literal["mean", "median"]
RULES: dict[Rule, str] = {
    "mean": "twice the mean (Ruschendorf 1982; Vovk and Wang 2020)",
    "median": "twice the median (Ruger 1978; Meinshausen, Meier and Buhlmann 2009)",
}


def combined_p_value(p_values: ArrayLike, rule: Rule = "median") -> float:
    """Return a p-value from those of several divisions of the same evidence, valid under any dependence.

    The smallest of ten such p-values is below .05 in one innocent audit of six; twice the mean or twice the median is
    in at most one of twenty. The rule, and how many divisions there are, must be fixed before one is seen. The median
    is for divisions that mostly agree, the mean for those that all do. What is combined holds on average over auditors,
    also when each p-value holds for nearly every one.

    Args:
        p_values: (k,) of one question.
        rule: "mean" or "median"; the median of an even number is the lower one of the middle two.

    Raises:
        ValueError: nothing to combine, another rule, or a number that is no p-value.
    """
    values = np.sort(np.asarray(p_values, np.float64))
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    if not len(values) or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"need p-values between 0 and 1, got {values.tolist()}")
    if len(values) == 1:
        return float(values[0])
    if rule == "mean":
        return min(1.0, 2 * float(values.mean()))
    place = (len(values) + 1) // 2
    return min(1.0, len(values) / place * float(values[place - 1]))
