"""Many modules on one pass over the known images: each fitted on what it reads, all scored on the same others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from onnxmint.engine.observations import Engine, Observations
from onnxmint.engine.probe import ODDS, RELATIVE, Exposed
from onnxmint.errors import EvidenceError
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import CALIBRATE, FIT, TEST
from onnxmint.graph.layers import Layer
from onnxmint.kinds import ModuleName, module_kind
from onnxmint.methods.measuring import KnownScores, Signals
from onnxmint.mint.choosing import why_withheld
from onnxmint.mint.fit_and_score import require_readable_parts
from onnxmint.mint.outcome import Keeping, Scoring
from onnxmint.mint.trainer import FittedModule, fit_on
from onnxmint.results.facts import Skipped
from onnxmint.stats import metrics
from onnxmint.stats.estimates import FloatArray

Mark = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A module and the layer it reads.

    Attributes:
        name: of the module.
        layer: None for the log-odds in all views.
        skipped: why it cannot be fitted.
    """

    name: ModuleName
    layer: Layer | None
    skipped: str | None = None

    @property
    def key(self) -> str:
        """Return a name of its own."""
        return self.name if self.layer is None else f"{self.name}:{self.layer.name}"

    @property
    def column(self) -> str:
        """Return the column that it reads."""
        if self.layer is not None:
            return self.layer.name
        return RELATIVE if module_kind(self.name).references else ODDS

    def shape(self, shown: Exposed) -> tuple[int, ...]:
        """Return what it reads of one image."""
        if self.layer is not None:
            return shown.graph.activation_shapes[self.layer.name]
        return (shown.views + module_kind(self.name).references,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A fitted rival, and its AUC on images of the fit part that it did not learn from."""

    rival: Rival
    module: FittedModule
    fit_auc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What was observed of the known images.

    Attributes:
        entries: the fitted rivals by key.
        scores: (n,) of each, NaN where not held out or not read.
        held: the signals of all parts.
        skipped: images that could not be read.
        withheld: by key why a rival was not fitted although it could have been.
    """

    entries: dict[str, Entry]
    scores: dict[str, FloatArray]
    held: KnownScores
    skipped: tuple[Skipped, ...]
    withheld: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where a contest is held.

    Attributes:
        shown: the target with all that the rivals read.
        evidence: the known images.
        signals: what else is kept of the target's answers.
        engine: shows the images.
        batch_size: images in one run.
        seed: of the fitting.
        mark: told what the time since the last mark was spent on.
    """

    shown: Exposed
    evidence: Evidence
    signals: Signals
    engine: Engine
    batch_size: int | None
    seed: int
    mark: Mark


def hold(ground: Ground, rivals: Sequence[Rival]) -> Contest:
    """Show the known images once, fit every rival that can be, and score the held-out part.

    Raises:
        EvidenceError: too little could be read, or a score is no number.
    """
    able = [rival for rival in rivals if rival.skipped is None]
    entries, fit_part, withheld = _fit(ground, able)
    keep = Scoring(
        signals=ground.signals,
        modules={key: (entry.rival.column, entry.module) for key, entry in entries.items()},
    )
    probe = ground.shown.probe(batch_size=ground.batch_size, reduce=keep, leaves_out_odd=True)
    seen = ground.engine.observe(probe, ground.evidence.images(CALIBRATE, TEST), name="held out")
    scores = {key: seen.full(key) for key in entries} if len(seen.row) else {}
    for key, entry in entries.items():
        if key in scores and not np.isfinite(scores[key][seen.row]).all():
            layer = entry.rival.layer
            where = "the answer" if layer is None else f"layer {layer.name!r}"
            raise EvidenceError(f"{where} holds NaN or infinity; check --preprocess, or take other --layers")
    held = KnownScores.of(ground.evidence.table, ground.signals, fit_part, seen)
    held.check_complete()
    ground.mark("showing the held-out part")
    skipped = (*fit_part.skipped, *seen.skipped)
    return Contest(entries=entries, scores=scores, held=held, skipped=skipped, withheld=withheld)


def _fit(ground: Ground, rivals: Sequence[Rival]) -> tuple[dict[str, Entry], Observations, dict[str, str]]:
    """Observe the fit part once, then fit every module on what it reads; also return why some are withheld."""
    shown, table = ground.shown, ground.evidence.table
    shapes = {rival.column: rival.shape(shown) for rival in rivals}
    keep = Keeping(signals=ground.signals, columns=tuple(shapes))
    probe = shown.probe(batch_size=ground.batch_size, reduce=keep, stored=shapes, leaves_out_odd=True)
    entries: dict[str, Entry] = {}
    without: dict[str, str] = {}
    with ground.engine.observe(probe, ground.evidence.images(*FIT), name="to fit on") as seen:
        require_readable_parts(table, seen, "to fit on")
        mine = table.take(seen.row)
        ground.mark("showing the fit part")
        for rival in rivals:
            values = seen.activations(rival.column)
            if rival.column == RELATIVE and (why := why_withheld(values, mine)) is not None:
                without[rival.key] = why
                continue
            module = fit_on(rival.name, values, mine, mine.part, ground.seed, ground.engine.stage)
            unseen = np.isfinite(module.unseen)
            auc = metrics.auc(*(module.unseen[unseen & (mine.is_member == side)] for side in (True, False)))
            entries[rival.key] = Entry(rival=rival, module=module, fit_auc=auc)
            ground.mark(f"fitting {rival.name}")
    return entries, seen, without
