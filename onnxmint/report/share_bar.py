"""The share of the images that were used, on a line from nothing to all; what is not known is hatched, never a dot."""

from markupsafe import Markup, escape

from onnxmint.report.answer import ShareShown
from onnxmint.report.language import Language

_WIDTH, _HEIGHT = 320, 64
_LEFT, _RIGHT = 6, 314
_TOP, _THICK = 22, 16
_STEP = 8  # between hatches


def share_bar(shown: ShareShown, language: Language) -> Markup:
    """Return the bar: a band for the interval, a dot for the estimate, a tick for what would have been noticed."""
    low, high = _at(shown.low), _at(shown.high)
    ends = [(_LEFT, "start", language.share(0)), (_RIGHT, "end", language.share(1))]
    body = [f'<rect class="track" x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_THICK}"/>']
    if shown.kind == "unknown":
        body.append(f'<path class="hatch" d="{_hatches()}"/>')
    else:
        body.append(f'<rect class="band" x="{low:.1f}" y="{_TOP}" width="{max(high - low, 1):.1f}" height="{_THICK}"/>')
    if shown.value is not None:
        body.append(f'<circle class="dot" cx="{_at(shown.value):.1f}" cy="{_TOP + _THICK / 2}" r="6"/>')
    if shown.noticed is not None:
        at = _at(shown.noticed)
        body.append(f'<path class="noticed" d="M{at:.1f},{_TOP - 10}V{_TOP + _THICK + 4}"/>')
    body += [f'<text x="{x}" y="{_HEIGHT - 6}" text-anchor="{end}">{escape(words)}</text>' for x, end, words in ends]
    title = language.say("Share of the images that were used: {share}", share=shown.words)
    return Markup(
        f'<svg class="share" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title><desc>{escape(shown.noticed_words)}</desc>"
        f"{''.join(body)}</svg>"
    )


def _at(share: float) -> float:
    return _LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT)


def _hatches() -> str:
    """Return slanted strokes over the whole bar."""
    return "".join(
        f"M{x},{_TOP + _THICK}L{x + _THICK / 2:g},{_TOP}" for x in range(_LEFT, _RIGHT - _THICK // 2 + 1, _STEP)
    )
