"""One audit from known images to verdict makes nothing ready twice, and the same training gives the same file."""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import PIL.Image
import pyarrow.parquet as pq
import pytest

from onnxmint.errors import OnnxmintError
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from onnxmint.graph.placebo import placebo_twin
from onnxmint.images.sources import open_source
from onnxmint.mint.auditor import METADATA_KEY, Auditor
from onnxmint.results.audit import AUDIT, AuditResult
from onnxmint.settings import AuditSettings, TrainSettings
from onnxmint.workflows.auditing import Known, audit
from onnxmint.workflows.training import train
from tests.conftest import DEMO, KNOWN
from tests.patches import everywhere

MODEL, QUESTIONED = DEMO / "target.onnx", DEMO / "questioned.parquet"
SETTINGS = TrainSettings(preprocess="0-1", device="cpu", limit=60, views=2, module="views")


@pytest.fixture(scope="module")
def calls() -> Counter[str]:
    return Counter()


@pytest.fixture(scope="module")
def decoded() -> Counter[bytes]:
    return Counter()


@pytest.fixture(scope="module")
def result(calls: Counter[str], decoded: Counter[bytes]) -> Iterator[AuditResult]:
    """An audit with evidence and all controls, its calls counted."""
    patch = pytest.MonkeyPatch()

    def count(real: Callable[..., Any], what: Callable[..., str]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            calls[what(*given)] += 1
            return real(*given, **named)

        return counted

    everywhere(patch, load_target, count(load_target, lambda path, *_: f"load {Path(path).name}"))
    everywhere(patch, open_source, count(open_source, lambda place, *_: f"open {Path(place).name}"))
    everywhere(patch, list_layers, count(list_layers, lambda model: "list layers"))
    everywhere(patch, placebo_twin, count(placebo_twin, lambda model: "twin"))
    content = MODEL.read_bytes()
    hashed = count(hashlib.sha256, lambda data=b"": "hash" if data == content else "hash of another")
    patch.setattr(hashlib, "sha256", hashed)
    opened = PIL.Image.open

    def counted_image(file: io.BytesIO, *given: Any, **named: Any) -> Any:
        decoded[file.getvalue()] += 1
        return opened(file, *given, **named)

    patch.setattr(PIL.Image, "open", counted_image)
    yield audit(MODEL, f"{QUESTIONED}?rows=0:60", Known(members=KNOWN[0], nonmembers=KNOWN[1], training=SETTINGS),
                settings=AuditSettings(device="cpu"))  # fmt: skip
    patch.undo()


def test_nothing_is_made_ready_twice(result: AuditResult, calls: Counter[str]) -> None:
    assert result.verdict.text
    assert calls["load target.onnx"] == calls["hash"] == calls["list layers"] == calls["twin"] == 1
    opened = {name: number for name, number in calls.items() if name.startswith("open ")}
    assert opened == {"open members.parquet": 1, "open nonmembers.parquet": 1, "open questioned.parquet?rows=0:60": 1}


def test_a_known_image_is_decoded_three_times_at_most(result: AuditResult, decoded: Counter[bytes]) -> None:
    """Looked at, shown to the target, shown to the twin; those that a limit leaves out are looked at only."""
    known = {row["bytes"] for place in KNOWN for row in pq.read_table(place)["image"].to_pylist()}
    times = [number for content, number in decoded.items() if content in known]
    assert len(times) == 2000
    assert (max(times), sum(number > 1 for number in times)) == (3, 120)


def test_a_trained_auditor_is_handed_out_before_the_audit() -> None:
    kept: list[Any] = []
    known = Known(members=KNOWN[0], nonmembers=KNOWN[1], training=replace(SETTINGS, module="phi", controls=False))
    found = audit(MODEL, f"{QUESTIONED}?rows=0:60", known, keep=kept.append)
    (auditor,) = kept
    assert found.performance == auditor.performance
    assert audit(MODEL, f"{QUESTIONED}?rows=0:60", auditor).verdict == found.verdict


@pytest.mark.slow
@pytest.mark.parametrize("module", ["views", "cnn"])
def test_the_same_training_gives_the_same_file_but_for_the_time(module: str) -> None:
    layers = ("relu",) if module == "cnn" else ("auto",)
    settings = replace(SETTINGS, module=module, layers=layers, controls=module == "views")
    files = []
    for _ in range(2):
        made = train(MODEL, *KNOWN, settings=settings)
        model = onnx.load_model_from_string(made.model)
        (facts,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
        assert facts.value.count(made.created) == 1
        facts.value = facts.value.replace(made.created, "then")
        files.append(model.SerializeToString())
    assert files[0] == files[1]


@pytest.mark.parametrize("output", ["score", "level", "free", "free_level", "answer"])
@pytest.mark.parametrize(
    ("op", "others", "message"),
    [
        ("Mul", [float("nan")], "none of the 8 questioned images in .* could be scored; .*NaN or infinity"),
        ("Concat", None, r"the auditor's output for {output} has shape \[16.*\] for 8 images; train it again"),
    ],
)
def test_an_auditor_whose_graph_gives_no_scores_is_refused_in_one_line(
    phi: Auditor, op: str, others: list[float] | None, message: str, output: str
) -> None:
    model = onnx.load_model_from_string(phi.model)
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["before" if name == output else name for name in names]
    maker = next(node for node in model.graph.node if "before" in node.output)
    if others is not None:
        model.graph.initializer.append(onnx.helper.make_tensor("other", 1, [], others))
    options = {"axis": 0} if op == "Concat" else {}
    second = "before" if others is None else "other"
    at = list(model.graph.node).index(maker) + 1
    model.graph.node.insert(at, onnx.helper.make_node(op, ["before", second], [output], **options))
    odd = replace(phi, model=model.SerializeToString())
    with pytest.raises(OnnxmintError, match=message.replace("{output}", output)) as caught:
        audit(MODEL, f"{QUESTIONED}?rows=0:8", odd, settings=AuditSettings(device="cpu", controls=False))
    assert "\n" not in str(caught.value)


def test_a_sample_is_judged_as_it_would_be_by_itself_and_is_stated(phi: Auditor) -> None:
    settings = AuditSettings(device="cpu", sample=40)
    found = audit(MODEL, QUESTIONED, phi, settings=settings)
    whole = audit(MODEL, QUESTIONED, phi, settings=AuditSettings(device="cpu", controls=False))
    assert (found.questioned.images, found.questioned.drawn_from) == (40, whole.questioned.images)
    score = dict(zip(whole.scores.path, whole.scores.score.tolist(), strict=True))
    assert [score[path] for path in found.scores.path] == found.scores.score.tolist()
    said = [
        words for words in found.warnings if words.startswith("A sample was judged (--sample 40, --seed 0): 40 images")
    ]
    assert len(said) == 1
    other = audit(MODEL, QUESTIONED, phi, settings=replace(settings, seed=1, controls=False))
    assert set(other.scores.path) != set(found.scores.path)


def test_an_audit_in_lots_stops_when_the_answer_is_known_and_says_so(phi: Auditor) -> None:
    settings = AuditSettings(device="cpu", sequential=True, controls=False)
    place = f"{QUESTIONED}?member=True"
    found = audit(MODEL, place, phi, settings=settings)
    whole = audit(MODEL, place, phi, settings=replace(settings, sequential=False))
    looks = found.questioned.looks
    assert found.verdict.kind == whole.verdict.kind == "members-found"
    assert found.questioned.images == looks[-1].images < whole.questioned.images == found.questioned.drawn_from
    assert found.verdict.p_value == looks[-1].p_value <= 0.05
    score = dict(zip(whole.scores.path, whole.scores.score.tolist(), strict=True))
    assert [score[path] for path in found.scores.path] == found.scores.score.tolist()
    assert list(found.scores.path) == [path for path in whole.scores.path if path in set(found.scores.path)]
    said = [words for words in found.warnings if words.startswith("Images were scored in growing lots (--sequential")]
    assert len(said) == 1
    assert AUDIT.read(AUDIT.write(found), "report.json", scores=found.scores).questioned.looks == looks
    nobody = audit(MODEL, f"{QUESTIONED}?rows=0:20", phi, settings=settings)
    assert [look.images for look in nobody.questioned.looks] == [20]
