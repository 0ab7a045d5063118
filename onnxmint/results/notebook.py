"""What a notebook shows of a result: a few kilobytes of HTML, no script, every foreign word escaped and visible."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxmint.results.audit import AuditResult
    from onnxmint.results.evaluation import Evaluation

_METHODS, _IMAGES = 60, 12  # rows that are shown
_LONGEST = 90  # letters of a name
_LONGEST_TEXT = 2000


def evaluation_html(found: "Evaluation") -> str:
    """Return the verdict and the methods, the largest AUC first."""
    verdict = found.verdict
    measured = [(method, method.performance) for method in found.methods if method.performance is not None]
    measured.sort(key=lambda row: -row[1].auc.value)
    rows = [
        (
            method.title + (" (judged)" if method.name == verdict.method else ""),
            f"{performance.auc.value:.3f}",
            f"{performance.auc.low:.3f} to {performance.auc.high:.3f}",
            f"{performance.tpr_at_fpr['0.01'].value:.1%}",
        )
        for method, performance in measured[:_METHODS]
    ]
    skipped = len(found.methods) - len(measured)
    left = f"{max(len(measured) - _METHODS, 0)} more and {skipped} skipped: to_frame() has all {len(found.methods)}."
    return "".join(
        [
            _paragraph(verdict.headline, strong=True),
            _paragraph(verdict.text),
            *(_paragraph(limit.text) for limit in verdict.limits),
            _table(("method", "AUC", "95% interval", "TPR at 1% FPR"), rows),
            _paragraph(left),
        ]
    )


def audit_html(result: "AuditResult") -> str:
    """Return the verdict and the images with the smallest p-values."""
    scores = result.scores
    order = np.lexsort((-scores.score, scores.p_value))[:_IMAGES].tolist()
    rows = [
        (
            scores.path[row],
            f"{scores.score[row]:.3f}",
            f"{scores.p_value[row]:.4f}",
            f"{scores.q_value[row]:.4f}",
            "flagged" if scores.flagged[row] else "",
        )
        for row in order
    ]
    left = f"{len(rows)} of {len(scores.path):,} images, the smallest p-values first: to_frame() has all."
    return "".join(
        [
            _paragraph(result.verdict.kind.replace("-", " ").capitalize(), strong=True),
            _paragraph(result.verdict.text),
            _table(("image", "score", "p-value", "q-value", ""), rows),
            _paragraph(left),
        ]
    )


def _paragraph(text: str, *, strong: bool = False) -> str:
    shown = _shown(text, _LONGEST_TEXT)
    return f"<p><strong>{shown}</strong></p>" if strong else f"<p>{shown}</p>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_shown(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_shown(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(text: str, most: int = _LONGEST) -> str:
    """Return text as HTML: what would hide or act is written out, the middle of what is too long is left out."""
    if len(text) > most:
        text = f"{text[: most // 2]}...{text[-most // 3 :]}"
    written = (letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text)
    return escape("".join(written))
