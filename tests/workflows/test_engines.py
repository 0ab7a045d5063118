"""A second engine is a parameter: whoever shows the images, and however the work is divided, results are the same."""

import numpy as np
import pytest

from onnxmint.engine.local import Local
from onnxmint.engine.target import Target
from onnxmint.evidence.known import Evidence
from onnxmint.graph.layers import choose_layers
from onnxmint.mint.auditor import Auditor
from onnxmint.mint.fit_and_score import fit_and_score
from onnxmint.results.check import CHECK
from onnxmint.settings import AuditSettings, EvaluateSettings, EvidenceSettings, TrainSettings
from onnxmint.workflows.auditing import Known, audit
from onnxmint.workflows.checking import check
from onnxmint.workflows.evaluating import evaluate
from onnxmint.workflows.training import train
from tests.conftest import DEMO, KNOWN
from tests.engine.halves import Halves
from tests.results.values import same

MODEL, QUESTIONED = DEMO / "target.onnx", f"{DEMO}/questioned.parquet?rows=0:40"
TRAINING = TrainSettings(preprocess="0-1", device="cpu", limit=60, views=2, module="vanilla")


def test_an_audit_gives_the_same_scores(phi: Auditor) -> None:
    halves, settings = Halves(), AuditSettings(device="cpu", controls=False)
    mine, theirs = (audit(MODEL, QUESTIONED, phi, settings=settings, engine=one) for one in (None, halves))
    assert same(mine.scores, theirs.scores)
    assert same(mine.verdict, theirs.verdict)
    assert halves.asked == ["scored"]


def test_a_module_is_fitted_on_the_same_activations(target: Target, few: Evidence) -> None:
    layers, halves = choose_layers(target.layers, ("penultimate",)), Halves()
    mine, theirs = (fit_and_score(target, few, layers, TRAINING, engine) for engine in (Local(), halves))
    np.testing.assert_array_equal(mine.score, theirs.score)
    assert mine.best_epochs == theirs.best_epochs
    assert halves.asked == ["to fit on", "held out"]


def test_a_check_ranks_the_same() -> None:
    halves, settings = Halves(), EvidenceSettings(device="cpu")
    mine, theirs = (check(MODEL, QUESTIONED, settings=settings, sample=8, engine=one) for one in (None, halves))
    assert CHECK.write(mine) == CHECK.write(theirs)
    assert halves.asked


@pytest.mark.slow
def test_an_audit_that_trains_first_and_has_all_controls_gives_the_same() -> None:
    halves, known = Halves(), Known(members=KNOWN[0], nonmembers=KNOWN[1], training=TRAINING)
    settings = AuditSettings(device="cpu")
    mine, theirs = (audit(MODEL, QUESTIONED, known, settings=settings, engine=one) for one in (None, halves))
    for field in ("scores", "performance", "controls", "verdict", "baselines", "warnings"):
        assert same(getattr(mine, field), getattr(theirs, field)), field
    assert {"to fit on", "held out", "by the twin", "scored"} <= set(halves.asked)
    trained = train(MODEL, *KNOWN, settings=TRAINING, engine=halves)
    assert same(trained.performance, mine.performance)


@pytest.mark.slow
def test_an_evaluation_compares_the_same() -> None:
    halves = Halves()
    settings = EvaluateSettings(preprocess="0-1", device="cpu", limit=60, views=2, modules=("views", "vanilla"))
    mine, theirs = (evaluate(MODEL, *KNOWN, settings=settings, engine=one) for one in (None, halves))
    assert same(mine.methods, theirs.methods)
    assert {"to fit on", "held out"} <= set(halves.asked)
