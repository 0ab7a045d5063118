"""The page's charts as inline SVG: small, sharp in print, readable without colour, no script.

Everything that reaches the markup is a number formatted here or an escaped word of ours.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from onnxmint.report.language import Language, language
from onnxmint.results.audit import Histogram
from onnxmint.stats.estimates import Estimate, Performance, Rate

_WIDTH, _HEIGHT = 470, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 16, 12, 48
_BASE = _HEIGHT - _BOTTOM
_LOWEST = 1e-3  # both axes of the ROC begin here
_FEW = 10  # false alarms below which a rate is thin
_SHADE_WITH_WORDS = 120  # units of width that the words in the shaded region need
_MOST_TICKS = 6
_ASIDE = 7  # units of width between modules that read the same layer
_ONE_BAR = 0.8  # share of a side in one bin, from which a histogram shows nothing but that

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Maps values to the drawing; `log` says whether both axes are logarithmic."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    log: bool = False

    def x(self, value: float) -> float:
        return _LEFT + self._share(value, self.x_range) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _BASE - self._share(value, self.y_range) * (_BASE - _TOP)

    def _share(self, value: float, ends: tuple[float, float]) -> float:
        low, high = ends
        if self.log:
            value, low, high = (math.log10(max(number, low)) for number in (value, low, high))
        return (value - low) / (high - low or 1)

    def path(self, points: Points) -> str:
        return "M" + "L".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def roc_chart(
    performance: Performance,
    baseline: Performance | None = None,
    others: Sequence[tuple[str, Performance]] = (),
    *,
    words: Language | None = None,
) -> Markup:
    """Return the ROC curve on two logarithmic axes, where chance is a diagonal and low false-alarm rates have room.

    Shaded: rates that rest on fewer than 10 false alarms. Whiskers: 95% intervals at 10%, 1% and 0.1%.

    Args:
        performance: what was measured.
        baseline: of a simple score to compare with.
        others: further curves, each with its class in the style sheet.
        words: language of the words in it; English when None.
    """
    words = words or language("en")
    frame = _Frame(x_range=(_LOWEST, 1.0), y_range=(_LOWEST, 1.0), log=True)
    decades = [(0.001, words.percent(0.001, 1)), *((share, words.share(share)) for share in (0.1, 1.0))]
    decades.insert(1, (0.01, words.percent(0.01, 0)))
    body = [
        *_thin_region(frame, performance.nonmembers, words),
        *_y_axis(frame, decades, words.say("found among those trained on (TPR)")),
        *_x_axis(frame, decades, words.say("false alarms among those not trained on (FPR)")),
        f'<path class="chance" d="{frame.path([(_LOWEST, _LOWEST), (1, 1)])}"/>',
    ]
    if baseline is not None:
        body.append(f'<path class="line baseline" d="{frame.path(_steps(baseline))}"/>')
    for kind, other in others:
        body.append(f'<path class="line {kind}" d="{frame.path(_steps(other))}"/>')
    body.append(f'<path class="line member" d="{frame.path(_steps(performance))}"/>')
    tpr = sorted(((float(fpr), rate) for fpr, rate in performance.tpr_at_fpr.items()), key=lambda found: -found[0])
    for fpr, rate in tpr:
        body += _whisker(frame, fpr, rate)
    auc = performance.auc
    numbers = {name: words.decimal(getattr(auc, name), 3) for name in ("value", "low", "high")}
    title = words.say("ROC curve, AUC {value} (95% interval {low} to {high})", **numbers)
    rates = "; ".join(f"{words.percent(fpr, 1)}: {words.percent(rate.value, 1)}" for fpr, rate in tpr)
    said = words.say("Found over false alarms, both axes logarithmic: {rates}. Dashed: guessing.", rates=rates)
    return _svg(body, title, said)


def _thin_region(frame: _Frame, nonmembers: int, language: Language) -> list[str]:
    right = frame.x(min(max(_FEW / max(nonmembers, 1), _LOWEST), 1.0))
    parts = [f'<rect class="thin" x="{_LEFT}" y="{_TOP}" width="{right - _LEFT:.1f}" height="{_BASE - _TOP}"/>']
    if right - _LEFT >= _SHADE_WITH_WORDS:
        words = escape(language.say("under {few} false alarms", few=language.number(_FEW)))
        parts.append(f'<text class="aside" x="{right - 6:.1f}" y="{_BASE - 8}" text-anchor="end">{words}</text>')
    return parts


def _whisker(frame: _Frame, fpr: float, rate: Rate) -> list[str]:
    at, kind = frame.x(fpr), "dot hollow" if rate.thin else "dot"
    dot = f'<circle class="{kind}" cx="{at:.1f}" cy="{frame.y(rate.value):.1f}" r="3.6"/>'
    if rate.low is None or rate.high is None:
        return [dot]
    low, high = frame.y(rate.low), frame.y(rate.high)
    ends = "".join(f"M{at - 4:.1f},{end:.1f}h8" for end in (low, high))
    return [f'<path class="whisker" d="M{at:.1f},{low:.1f}V{high:.1f}{ends}"/>', dot]


def _steps(found: Performance) -> list[tuple[float, float]]:
    """Return the curve as steps from the chart's left edge; left of it only the height on entering matters."""
    pairs = list(zip(found.roc_fpr.tolist(), found.roc_tpr.tolist(), strict=True))
    points = [(_LOWEST, max((y for x, y in pairs if x <= _LOWEST), default=0.0))]
    for x, y in pairs:
        if x > _LOWEST:
            points += [(x, points[-1][1]), (x, y)]
    return points


def histogram_chart(
    histogram: Histogram, flagged_from: float | None = None, *, words: Language | None = None
) -> Markup:
    """Return the scores of test members, test non-members and, if any, questioned images as shares of their sets.

    Args:
        histogram: counts in common bins.
        flagged_from: lowest score of a flagged image, None when none is flagged.
        words: language of the words in it; English when None.
    """
    words = words or language("en")
    edges: list[float] = histogram.edges.tolist()
    counts = {"nonmember": histogram.nonmember, "member": histogram.member, "questioned": histogram.questioned}
    shares = {name: _shares(count.tolist()) for name, count in counts.items() if count is not None}
    top = max((max(share, default=0) for share in shares.values()), default=0) or 1
    frame = _Frame(x_range=(edges[0], edges[-1]), y_range=(0.0, top * 1.08))
    body = [
        *_y_axis(frame, [(y, words.level(round(y, 12))) for y in _ticks(0, top)], words.say("share of the set")),
        *_x_axis(
            frame,
            [(x, _signed(x, words)) for x in _ticks(edges[0], edges[-1])],
            words.say("score (higher: more like images that were trained on)"),
        ),
    ]
    for name, share in shares.items():
        outline = frame.path(_outline(edges, share))
        if name != "questioned":
            body.append(f'<path class="area {name}" d="{outline}Z"/>')
        body.append(f'<path class="line {name}" d="{outline}"/>')
    if flagged_from is not None:
        body += _mark(frame, flagged_from, words.say("flagged from here"))
    title = words.say("Scores of images that were trained on, of others, and of the questioned images")
    return _svg(body, title, words.say("Shares of each kind over the score; numbers in the table below."))


def tells_by_shape(histogram: Histogram) -> bool:
    """Say whether scores spread over their range, so that their histogram is more than one bar."""
    sides = [side for side in (histogram.member, histogram.nonmember) if side.sum()]
    return any(side.max() < _ONE_BAR * side.sum() for side in sides)


def depth_chart(series: Mapping[str, Sequence[tuple[float, Estimate]]], best_signal: float) -> Markup:
    """Return AUC over the depth of the layer that a module reads, with intervals.

    Args:
        series: class in the style sheet -> depth and AUC of layers, by depth.
        best_signal: AUC of the best signal, drawn as a line to compare with.
    """
    ends = [end for rows in series.values() for _, auc in rows for end in (auc.low, auc.high)]
    low, high = min([*ends, best_signal, 0.5]) - 0.01, max([*ends, best_signal, 0.5]) + 0.01
    frame = _Frame(x_range=(0.0, 1.0), y_range=(low, high))
    body = [
        *_y_axis(frame, [(y, f"{y:.2f}") for y in _ticks(low, high)], "AUC on the test part"),
        *_x_axis(frame, [(x, f"{x:.0%}") for x in _ticks(0, 1)], "depth: share of the model's operations before it"),
        f'<path class="chance" d="{frame.path([(0, 0.5), (1, 0.5)])}"/>',
        f'<path class="line baseline" d="{frame.path([(0, best_signal), (1, best_signal)])}"/>',
    ]
    for number, (kind, rows) in enumerate(series.items()):
        aside = _ASIDE * (number - (len(series) - 1) / 2)  # whiskers of two modules on one layer stand side by side
        points = "L".join(f"{frame.x(depth) + aside:.1f},{frame.y(auc.value):.1f}" for depth, auc in rows)
        body.append(f'<path class="line {kind}" d="M{points}"/>')
        for depth, auc in rows:
            x = frame.x(depth) + aside
            body.append(f'<path class="line {kind}" d="M{x:.1f},{frame.y(auc.low):.1f}V{frame.y(auc.high):.1f}"/>')
            body.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{frame.y(auc.value):.1f}" r="3.5"/>')
    return _svg(body, "AUC by depth of the layer", "Dashed: chance. Thin line: the best signal. Numbers in the table.")


def _mark(frame: _Frame, score: float, words: str) -> list[str]:
    at = frame.x(score)
    end, shift = ("end", -5) if at > _WIDTH - _RIGHT - 70 else ("start", 5)
    return [
        f'<path class="mark" d="M{at:.1f},{_TOP}V{_BASE}"/>',
        f'<text class="aside" x="{at + shift:.1f}" y="{_TOP + 10}" text-anchor="{end}">{escape(words)}</text>',
    ]


def _outline(edges: Sequence[float], share: Sequence[float]) -> list[tuple[float, float]]:
    points = [(edges[0], 0.0)]
    for left, right, value in zip(edges, edges[1:], share, strict=False):
        points += [(left, value), (right, value)]
    return [*points, (edges[-1], 0.0)]


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def interval_bar(estimate: Estimate) -> Markup:
    """Return an AUC with its interval on a line from 0.4 to 1; the tick is chance. The numbers stand beside it."""
    ends = (estimate.low, estimate.value, estimate.high)
    x = [4 + 112 * (min(max(end, 0.4), 1.0) - 0.4) / 0.6 for end in ends]
    chance = 4 + 112 / 6
    return Markup(
        '<svg class="bar" viewBox="0 0 120 14" aria-hidden="true">'
        f'<path class="grid" d="M4,7H116"/><path class="chance" d="M{chance:.1f},1V13"/>'
        f'<path class="whisker" d="M{x[0]:.1f},7H{x[2]:.1f}M{x[0]:.1f},4v6M{x[2]:.1f},4v6"/>'
        f'<circle class="dot" cx="{x[1]:.1f}" cy="7" r="3.4"/></svg>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return up to 7 round values between two bounds."""
    span = (high - low) or 1.0
    step = 10 ** math.floor(math.log10(span / 4))
    step = next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= _MOST_TICKS)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _signed(value: float, language: Language) -> str:
    return language.rounded(round(value, 12)).replace("-", "\N{MINUS SIGN}")


def _x_axis(frame: _Frame, ticks: Sequence[tuple[float, str]], name: str) -> list[str]:
    parts = [f'<path class="axis" d="M{_LEFT},{_BASE}H{_WIDTH - _RIGHT}"/>']
    for value, text in ticks:
        at = frame.x(value)
        parts.append(f'<path class="axis" d="M{at:.1f},{_BASE}v4"/>')
        end = "end" if at > _WIDTH - _RIGHT - 8 else "middle"
        parts.append(f'<text x="{at:.1f}" y="{_BASE + 18}" text-anchor="{end}">{escape(text)}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return [*parts, f'<text class="name" x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(name)}</text>']


def _y_axis(frame: _Frame, ticks: Sequence[tuple[float, str]], name: str) -> list[str]:
    parts = []
    for value, text in ticks:
        at = frame.y(value)
        parts.append(f'<path class="grid" d="M{_LEFT},{at:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    middle = (_TOP + _BASE) / 2
    turned = f'transform="rotate(-90 14 {middle})"'
    return [*parts, f'<text class="name" x="14" y="{middle}" text-anchor="middle" {turned}>{escape(name)}</text>']


def _svg(body: Sequence[str], title: str, words: str) -> Markup:
    head = f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
    text = f"<title>{escape(title)}</title><desc>{escape(words)}</desc>"
    return Markup(head + text + "".join(body) + "</svg>")
