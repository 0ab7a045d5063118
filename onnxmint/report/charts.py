"""The page's two charts as inline SVG: small, sharp in print, readable without colour, no script."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 560, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 24, 14, 50
_LOWEST_FPR = 1e-3


class _Frame:
    """Maps values to the drawing."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], *, log_x: bool = False) -> None:
        self._x, self._y, self._log = x, y, log_x

    def x(self, value: float) -> float:
        low, high = self._x
        if self._log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return _LEFT + (value - low) / (high - low or 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._y
        return _HEIGHT - _BOTTOM - (value - low) / (high - low or 1) * (_HEIGHT - _TOP - _BOTTOM)

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def roc_chart(performance: Mapping[str, Any], nonmembers: int) -> Markup:
    """Return the ROC curve over a logarithmic false-positive rate, with the chance line and the thin region shaded.

    Args:
        performance: `performance` of report.json.
        nonmembers: in the test part; below 10 / nonmembers the curve rests on fewer than 10 false alarms.
    """
    frame = _Frame((_LOWEST_FPR, 1.0), (0.0, 1.0), log_x=True)
    fpr, tpr = performance["roc"]["fpr"], performance["roc"]["tpr"]
    steps = _steps(fpr, tpr)
    grid = [10 ** (-3 + k / 20) for k in range(61)]
    thin = min(max(10 / max(nonmembers, 1), _LOWEST_FPR), 1.0)
    left, right = frame.x(_LOWEST_FPR), frame.x(thin)
    height = _HEIGHT - _TOP - _BOTTOM
    body = [
        f'<rect class="thin" x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" height="{height}"/>',
        *_y_axis(frame, [0, 0.25, 0.5, 0.75, 1], "members found (true-positive rate)"),
        *_x_axis(
            frame, [(0.001, "0.1 %"), (0.01, "1 %"), (0.1, "10 %"), (1, "100 %")], "false alarms (false-positive rate)"
        ),
        f'<path class="chance" d="{frame.path([(x, x) for x in grid])}"/>',
        f'<path class="line member" d="{frame.path(steps)}"/>',
    ]
    auc = performance["auc"]
    title = f"ROC curve, AUC {auc['value']:.3f} (95 % interval {auc['low']:.3f} to {auc['high']:.3f})"
    words = "True-positive rate over false-positive rate on a logarithmic axis; dashed: chance; shaded: thin."
    return _svg(body, title, words)


def _steps(fpr: Sequence[float], tpr: Sequence[float]) -> list[tuple[float, float]]:
    """Return the curve from the chart's left edge: left of it only the height on entering matters."""
    inside = [(x, y) for x, y in zip(fpr, tpr, strict=True) if x >= _LOWEST_FPR]
    before = max((y for x, y in zip(fpr, tpr, strict=True) if x < _LOWEST_FPR), default=0.0)
    points = [(_LOWEST_FPR, before)]
    for x, y in inside:
        points += [(x, points[-1][1]), (x, y)]
    return points


def histogram_chart(histogram: Mapping[str, Any]) -> Markup:
    """Return the scores of test members, test non-members and questioned images as shares of their sets."""
    edges = histogram["edges"]
    shares = {name: _shares(histogram[name]) for name in ("nonmember", "member", "questioned")}
    top = max((max(share, default=0) for share in shares.values()), default=0) or 1
    frame = _Frame((edges[0], edges[-1]), (0.0, top * 1.05))
    body = [
        *_y_axis(frame, _ticks(0, top), "share of images", percent=True),
        *_x_axis(frame, [(x, f"{x:g}") for x in _ticks(edges[0], edges[-1])], "score (higher: more like a member)"),
    ]
    for name, share in shares.items():
        outline = [(edges[0], 0.0)]
        for k, value in enumerate(share):
            outline += [(edges[k], value), (edges[k + 1], value)]
        outline.append((edges[-1], 0.0))
        filled = "" if name == "questioned" else f'<path class="area {name}" d="{frame.path(outline)}Z"/>'
        body.append(f'{filled}<path class="line {name}" d="{frame.path(outline)}"/>')
    words = "Shares of test members, test non-members and questioned images over the score."
    return _svg(body, "Scores of members, non-members and questioned images", words)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _ticks(low: float, high: float) -> list[float]:
    """Return 3 to 7 round values between two bounds."""
    span = (high - low) or 1.0
    step = 10 ** math.floor(math.log10(span / 4))
    step = next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 6)  # noqa: PLR2004
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _x_axis(frame: _Frame, ticks: Sequence[tuple[float, str]], name: str) -> list[str]:
    base = _HEIGHT - _BOTTOM
    parts = [f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>']
    for value, text in ticks:
        at = frame.x(value)
        parts.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{base}" y2="{base + 4}"/>')
        parts.append(f'<text x="{at:.1f}" y="{base + 19}" text-anchor="middle">{escape(text)}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return [*parts, f'<text class="name" x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(name)}</text>']


def _y_axis(frame: _Frame, ticks: Sequence[float], name: str, *, percent: bool = True) -> list[str]:
    parts = []
    for value in ticks:
        at = frame.y(value)
        text = f"{value * 100:.3g} %" if percent else f"{value:g}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{text}</text>')
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    turned = f'transform="rotate(-90 15 {middle})"'
    return [*parts, f'<text class="name" x="15" y="{middle}" text-anchor="middle" {turned}>{escape(name)}</text>']


def _svg(body: Sequence[str], title: str, words: str) -> Markup:
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">'
    text = f"<title>{escape(title)}</title><desc>{escape(words)}</desc>"
    return Markup(head + text + "".join(body) + "</svg>")
