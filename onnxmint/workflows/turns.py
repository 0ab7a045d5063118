"""Auditors of the same model asked in turn: few views first, more views only where these leave a set open.

Each may spend a share of the level on the looks of its lots, and the shares add up to one: the chance that any look of
any of them finds members in an innocent set is at most the level (Bonferroni, as among the looks in
`stats/sequential.py`). What that saves is measured in `tools/study/validity/README.md`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onnxmint.engine.choosing import engine_for
from onnxmint.engine.observations import Engine
from onnxmint.errors import UsageError
from onnxmint.graph.bringing import with_model_here
from onnxmint.images.sources import Place
from onnxmint.mint.auditor import Auditor
from onnxmint.progress import Stage, quiet
from onnxmint.results.audit import AuditResult
from onnxmint.settings import AuditSettings
from onnxmint.workflows.auditing import conclude, look_and_score
from onnxmint.workflows.lots import Scored
from onnxmint.workflows.opening import Before, Ready, open_with_auditor

FIRST = 0.8
"""Share of the level that the first auditor may spend; half of it found as many sets with more views."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InTurn:
    """An audit by several auditors.

    Attributes:
        result: of the one that gave the answer, or of the last.
        auditor: that one.
    """

    result: AuditResult
    auditor: Auditor


@with_model_here
def audit_in_turn(
    model: str | Path,
    images: Place | Sequence[Place],
    first: Auditor,
    then: Auditor,
    *,
    settings: AuditSettings | None = None,
    stage: Stage = quiet,
    before: Before | None = None,
    engine: Engine | None = None,
) -> InTurn:
    """Audit images in growing lots by one auditor, and by another of more views if that leaves the set open.

    Args:
        model: the target classifier, an ONNX file.
        images: the questioned images; several places are one set.
        first: an auditor of few views.
        then: one of more views, best of the same known images.
        settings: of the audit, which is sequential in any case.
        stage: told of the progress.
        before: told what the first will do, before anything long begins.
        engine: shows the images and has a stage of its own; this process when None.

    Raises:
        UsageError: the second is not shown more views than the first.
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    if first.method.views >= then.method.views:
        raise UsageError(
            f"--first is an auditor of fewer views than --auditor, and they have {first.method.views} and "
            f"{then.method.views}: train it with --views 2"
        )
    settings = replace(settings or AuditSettings(), sequential=True)
    engine = engine or engine_for(model, stage)
    ready = open_with_auditor(model, images, first, settings, before)
    shown = look_and_score(ready, settings, engine, share=FIRST)
    if shown.tells:
        return _answered(ready, shown, settings, engine, _needed(first, then))
    more = open_with_auditor(model, images, then, settings)
    again = look_and_score(more, settings, engine, share=1 - FIRST)
    return _answered(more, again, settings, engine, _left_open(first, shown))


def _answered(ready: Ready, shown: Scored, settings: AuditSettings, engine: Engine, note: str) -> InTurn:
    result = conclude(ready, shown, settings, engine)
    return InTurn(result=replace(result, warnings=(*result.warnings, note)), auditor=ready.auditor)


def _needed(first: Auditor, then: Auditor) -> str:
    return (
        f"An auditor of {first.method.views} views was asked first (--first), could spend {FIRST:.0%} of the level, "
        f"and gave this answer; the one of {then.method.views} views was not asked."
    )


def _left_open(first: Auditor, shown: Scored) -> str:
    return (
        f"An auditor of {first.method.views} views was asked first (--first), could spend {FIRST:.0%} of the level on "
        f"{len(shown.scored.row):,} images, and left the set open; this one could spend the rest."
    )
