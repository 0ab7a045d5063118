"""All methods of an evaluation at a glance: AUC with intervals, the largest first, a colour for each kind."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from onnxmint.report.names import shortened, visible
from onnxmint.results.evaluation import Method, MethodKind
from onnxmint.stats.estimates import Performance

_WIDTH, _ROW, _TOP, _BOTTOM = 720, 20, 8, 44
_LEFT, _RIGHT = 320, 704  # where the scale begins and ends
_LONGEST = 44  # letters of a title beside the scale
_MOST = 40  # methods that are drawn; the table has all
_CHANCE = 0.5
_STEP = 0.1
_CLASSES: Mapping[MethodKind, str] = {"signal": "baseline", "reference": "nonmember", "module": "member"}


def overview_chart(measured: Sequence[tuple[Method, Performance]], judged: str) -> Markup:
    """Return a row for each method: its title, its AUC as a dot, its 95% interval as a line; chance is dashed.

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
    height = _TOP + _ROW * len(rows) + _BOTTOM

    def at(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT)

    base = _TOP + _ROW * len(rows) + 4
    body = [*_axis(at(_CHANCE), base, low, high), *_scale(low, high, base)]
    for number, (method, found) in enumerate(rows):
        y, kind, auc = _TOP + _ROW * number + _ROW / 2, _CLASSES[method.kind], found.auc
        weight = ' class="judged"' if method.name == judged else ""
        title = escape(shortened(visible(method.title), _LONGEST))
        body += [
            f'<text{weight} x="{_LEFT - 10}" y="{y + 4.5:.1f}" text-anchor="end">{title}</text>',
            f'<path class="line {kind}" d="M{at(auc.low):.1f},{y:.1f}H{at(auc.high):.1f}"/>',
            f'<circle class="{kind}" cx="{at(auc.value):.1f}" cy="{y:.1f}" r="4"/>',
        ]
    words = f"{len(rows)} methods by AUC on the test part, with 95% intervals; the numbers are in the table."
    head = f'<svg class="overview" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="AUC of every method">'
    return Markup(f"{head}<title>AUC of every method</title><desc>{words}</desc>{''.join(body)}</svg>")


def _axis(chance: float, base: float, low: float, high: float) -> list[str]:
    middle = (_LEFT + _RIGHT) / 2
    return [
        f'<path class="axis" d="M{_LEFT},{base}H{_RIGHT}"/>',
        f'<path class="chance" d="M{chance:.1f},{_TOP}V{base}"/>' if low <= _CHANCE <= high else "",
        f'<text class="name" x="{middle}" y="{base + 36}" text-anchor="middle">AUC on the test part</text>',
    ]


def _scale(low: float, high: float, base: float) -> list[str]:
    first, last = round(low / _STEP + 0.5), round(high / _STEP - 0.5)
    parts = []
    for tick in range(first, last + 1):
        x = _LEFT + (tick * _STEP - low) / (high - low) * (_RIGHT - _LEFT)
        parts.append(f'<path class="axis" d="M{x:.1f},{base}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{base + 18}" text-anchor="middle">{tick * _STEP:.1f}</text>')
    return parts
