"""All methods of an evaluation at a glance: AUC with intervals, the largest first, a colour for each kind."""

import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

from onnxmint.report.names import shortened, visible
from onnxmint.results.methods import Method, MethodKind
from onnxmint.stats.estimates import Performance

_LONGEST = 60  # letters of a title
_MOST = 40  # methods that are drawn; the table has all
_CHANCE = 0.5
_STEP = 0.1
_MARGIN = 2.0  # percent of the width beside the outermost ends
_CLASSES: Mapping[MethodKind, str] = {"signal": "baseline", "reference": "nonmember", "module": "member"}


def overview_chart(measured: Sequence[tuple[Method, Performance]], judged: str) -> Markup:
    """Return a row for each method: its title, its AUC as a dot, its 95% interval as a line; chance is dashed.

    Places are percentages, so that the rows are as wide as the page and nothing in them is stretched.

    Args:
        measured: methods with what was measured of them.
        judged: name of the one that the verdict is about, whose title is bold.
    """
    rows = sorted(measured, key=lambda row: -row[1].auc.value)
    if len(rows) > _MOST:
        kept = {row[0].name for row in rows[:_MOST]} | {judged}
        rows = [row for row in rows if row[0].name in kept]
    ends = [end for _, found in rows for end in (found.auc.low, found.auc.high)]
    low, high = min([*ends, _CHANCE - _STEP / 2]), max([*ends, _CHANCE + _STEP / 2])

    def at(value: float) -> str:
        return f"{_MARGIN + (value - low) / (high - low) * (100 - 2 * _MARGIN):.2f}%"

    body = [_row(method, found, judged, at) for method, found in rows]
    ticks = range(math.ceil(low / _STEP - 1e-9), math.floor(high / _STEP + 1e-9) + 1)
    scale = "".join(
        f'<text x="{at(tick * _STEP)}" y="14" text-anchor="middle">{tick * _STEP:.1f}</text>' for tick in ticks
    )
    axis = f'<span class="axis-name">AUC on the test part</span><svg aria-hidden="true">{scale}</svg>'
    words = f"{len(rows)} methods by AUC on the test part, with 95% intervals; the numbers are in the table below"
    return Markup(f'<div class="overview" role="img" aria-label="{words}">{"".join(body)}{axis}</div>')


def _row(method: Method, found: Performance, judged: str, at: Callable[[float], str]) -> str:
    kind, auc = _CLASSES[method.kind], found.auc
    weight = ' class="judged"' if method.name == judged else ""
    title = escape(shortened(visible(method.title), _LONGEST))
    return (
        f'<span{weight}>{title}</span><svg aria-hidden="true">'
        f'<line class="chance" x1="{at(_CHANCE)}" x2="{at(_CHANCE)}" y1="0" y2="100%"/>'
        f'<line class="line {kind}" x1="{at(auc.low)}" x2="{at(auc.high)}" y1="50%" y2="50%"/>'
        f'<circle class="{kind}" cx="{at(auc.value)}" cy="50%" r="4"/></svg>'
    )
