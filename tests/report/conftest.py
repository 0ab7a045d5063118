"""A whole audit result, made from simulated scores: nothing stored, so it follows every change of the types."""

from dataclasses import replace

import numpy as np
import pytest

from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.audit import AuditResult, Histogram, IdentityFacts, QuestionedFacts, ScoreTable, Verdict
from onnxmint.results.evaluation import Evaluation
from onnxmint.results.facts import (
    Baseline,
    Control,
    CopyFacts,
    EvidenceFacts,
    MethodFacts,
    Skipped,
    StatisticsFacts,
    TargetFacts,
)
from onnxmint.stats.conformal import p_values, q_values
from onnxmint.stats.estimates import Estimate, Performance
from onnxmint.stats.metrics import INTERVAL_METHOD, best_threshold, evaluate
from tests.report.compared import evaluation_of

VERDICT = (
    "Some of the 400 questioned images were in the model's training set: as a set they score higher than images that "
    "were not trained on (one-sided Mann-Whitney test against held-out non-members, p < 0.0001). Were none of them "
    "trained on, a set would be called so at most 5% of the time. How many and which ones is another question: single "
    "images can be told apart only as well as AUC 0.971, 95% interval 0.961 to 0.978. This holds if the questioned "
    "images, had they not been trained on, would be images like the known non-members (same source, same preparation); "
    "no test after the fact can prove that."
)


COPIES = CopyFacts(on_both_sides=0, near_copies_of_members=0, left_out=0, grouped=0)


def measured(distance: float, count: int = 500, seed: int = 0) -> Performance:
    """Measure simulated scores whose two normals lie so far apart."""
    rng = np.random.default_rng(seed)
    member, nonmember = rng.normal(distance, 1, count), rng.normal(0, 1, count)
    threshold = best_threshold(rng.normal(distance, 1, count), rng.normal(0, 1, count))
    return evaluate(member, nonmember, threshold=threshold, rng=rng, resamples=100)


def score_table(count: int = 400, distance: float = 2.6) -> ScoreTable:
    """Score questioned images of which half are members."""
    rng = np.random.default_rng(1)
    score = rng.normal(0, 1, count) + distance * (np.arange(count) % 2)
    p = p_values(score, rng.normal(0, 1, 1000))
    q = q_values(p)
    label = rng.integers(0, 10, count)
    return ScoreTable(
        path=tuple(f"photos/2023/IMG_{4000 + k}.jpg" for k in range(count)),
        score=score,
        p_value=p,
        q_value=q,
        flagged=q <= 0.05,
        likelihood_ratio=np.exp(np.clip(score - 1.3, -5, 5)),
        probability=1 / (1 + np.exp(-(score - 1.3))),
        label=label,
        predicted=np.where(rng.random(count) < 0.9, label, 3),
    )


def histogram(scores: ScoreTable) -> Histogram:
    """Count simulated test scores and those of the table in common bins."""
    rng = np.random.default_rng(2)
    member, nonmember = rng.normal(2.6, 1, 500), rng.normal(0, 1, 500)
    edges = np.histogram_bin_edges(np.concatenate([member, nonmember, scores.score]), bins=48)
    counts = (np.histogram(values, edges)[0].astype(np.int64) for values in (member, nonmember, scores.score))
    return Histogram(edges=edges, **dict(zip(("member", "nonmember", "questioned"), counts, strict=True)))


def target_facts() -> TargetFacts:
    """Describe a target."""
    return TargetFacts(
        path="models/clothes-classifier.onnx",
        sha256="9c1f02ab" * 8,
        input_name="image",
        input_shape=("N", 3, 224, 224),
        input_dtype="float32",
        layers=("layer3.1.relu",),
        device="cpu",
        provider="CPUExecutionProvider",
        device_reason="no NVIDIA driver was found",
    )


def evidence_facts() -> EvidenceFacts:
    """Describe the evidence."""
    return EvidenceFacts(
        members=2000,
        nonmembers=2000,
        fit=2000,
        calibrate=1000,
        test=1000,
        groups=None,
        accuracy_members=0.997,
        accuracy_nonmembers=0.911,
        skipped=(Skipped(path="known/0017.png", reason="truncated: 412 bytes missing"),),
    )


def baselines() -> tuple[Baseline, ...]:
    """Give measured baselines and one that was skipped."""
    return (
        Baseline(name="max_probability", description="largest probability", performance=measured(0.5, seed=1)),
        Baseline(name="loss", description="low loss of the label", performance=measured(0.7, seed=2)),
        Baseline(
            name="correct",
            description="top class is the label",
            performance=None,
            skipped="needs labels of all known images",
        ),
    )


def controls() -> tuple[Control, ...]:
    """Give controls that passed, failed and were not run."""
    interval = Estimate(value=0.503, low=0.471, high=0.535)
    return (
        Control(name="reference", passed=None, text="Not run: no --reference was given."),
        Control(name="placebo", passed=True, text="A twin does not tell members apart.", auc=interval),
        Control(name="files", passed=True, text="Files alone do not tell members apart.", auc=interval),
        Control(
            name="pixels",
            passed=False,
            text="Statistics of the pixels tell known members from non-members without any model.",
            auc=Estimate(value=0.61, low=0.57, high=0.65),
        ),
        Control(name="duplicates", passed=True, text="No two are copies of each other.", copies=COPIES),
    )


def method_facts() -> MethodFacts:
    """Describe a module."""
    return MethodFacts(
        name="cnn",
        title="cnn on layer3.1.relu",
        layer="layer3.1.relu",
        tensors=("/layer3/1/Relu_output_0",),
        answer="logits",
        activation_shape=(256, 8, 8),
        views=0,
        labels=False,
        folds=1,
        seed=0,
        networks=2,
        best_epochs=(17, 20),
        validation_loss=0.31,
        source="Membership Inference Test, arXiv 2601.12929",
        references=(),
        intervals=INTERVAL_METHOD,
        controls="98%",
    )


def statistics_facts() -> StatisticsFacts:
    """Name the methods behind the numbers."""
    return StatisticsFacts(
        p_values="conformal",
        false_discovery="Benjamini-Hochberg",
        set_test="one-sided Mann-Whitney",
        at_least="closed testing",
        share_of_members="mixture",
        likelihood_ratio="logistic",
        prior="the estimated share of members",
        units="images",
    )


@pytest.fixture(scope="session")
def result() -> AuditResult:
    """Return an audit that found members."""
    scores = score_table()
    return AuditResult(
        version="0.1.0",
        created="2026-11-23T16:32:00+00:00",
        target=target_facts(),
        preprocess=PreprocessSpec(
            name="imagenet",
            size=(224, 224),
            scale=1 / 255,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            layout="NCHW",
        ),
        method=method_facts(),
        statistics=statistics_facts(),
        evidence=evidence_facts(),
        identity=IdentityFacts(evidence="e" * 64, questioned="a" * 64),
        performance=measured(2.6),
        baselines=baselines(),
        questioned=QuestionedFacts(
            images=len(scores.path),
            flagged=int(scores.flagged.sum()),
            alpha=0.05,
            prior=0.49,
            skipped=(
                Skipped(path="photos/2023/IMG_0042.jpg", reason="truncated image file"),
                Skipped(path="photos/2023/scan.tiff", reason="16-bit pixels; convert it to 8 bits first"),
            ),
        ),
        scores=scores,
        controls=controls(),
        verdict=Verdict(
            kind="members-found",
            text=VERDICT,
            p_value=3.1e-18,
            share_of_members=Estimate(value=0.49, low=0.44, high=0.55),
            at_least=131,
            detectable_share=0.062,
        ),
        histogram=histogram(scores),
        warnings=("2 of 402 questioned images were skipped; the report names them.",),
    )


@pytest.fixture(scope="session")
def empty_result(result: AuditResult) -> AuditResult:
    """Return an audit in which nothing could be read and nothing is labelled."""
    nothing = np.empty(0)
    scores = ScoreTable(
        path=(),
        score=nothing,
        p_value=nothing,
        q_value=nothing,
        flagged=nothing.astype(bool),
        likelihood_ratio=nothing,
        probability=nothing,
        label=None,
        predicted=nothing.astype(np.int64),
    )
    return replace(
        result,
        scores=scores,
        questioned=replace(result.questioned, images=0, flagged=0),
        baselines=(),
        warnings=(),
        histogram=replace(result.histogram, questioned=np.zeros(48, np.int64)),
        evidence=replace(result.evidence, accuracy_members=None, accuracy_nonmembers=None, groups=80, skipped=()),
        verdict=Verdict(kind="inconclusive", text="No questioned image could be read.", p_value=None),
    )


@pytest.fixture
def evaluation(result: AuditResult) -> Evaluation:
    """Return an evaluation of six methods, one of them skipped."""
    return evaluation_of(result)
