"""Two parties: answers go out, no image and no weight; what the auditor makes of them is what one party alone makes."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import numpy_helper
from PIL import Image

from onnxmint.engine.answered import Answered
from onnxmint.engine.choosing import engine_for
from onnxmint.engine.local import Local
from onnxmint.engine.probe import ANSWER, FREE, ODDS, expose
from onnxmint.engine.target import make_ready, twin_of
from onnxmint.errors import ModelError, UnobservedError, UsageError
from onnxmint.graph.layers import choose_layers
from onnxmint.graph.load import load_target
from onnxmint.images.chosen import Images, Part
from onnxmint.images.sources import open_source
from onnxmint.mint.auditor import OBSERVED, Auditor
from onnxmint.mint.scorer import Scorer
from onnxmint.progress import quiet
from onnxmint.results.redaction import RedactionKey
from onnxmint.settings import AuditSettings, EvaluateSettings, EvidenceSettings, ObserveSettings, TrainSettings
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.evaluating import evaluate
from onnxmint.workflows.observing import FACTS, IMAGES, MODEL, observe
from onnxmint.workflows.training import train
from tests.conftest import DEMO, KNOWN
from tests.results.values import same

TARGET = DEMO / "target.onnx"
SOURCES = {
    "members": f"{KNOWN[0]}?rows=0:60",
    "nonmembers": f"{KNOWN[1]}?rows=0:60",
    "suspects": f"{DEMO}/questioned.parquet?rows=0:40",
}
SETTINGS = ObserveSettings(preprocess="0-1", device="cpu")


def _folder(place: Path, files: dict[str, bytes]) -> Path:
    place.mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place


@pytest.fixture(scope="session")
def folders(once: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the owner of the model gives away, a folder each."""
    made = once("observed", lambda: {name: dict(observe(TARGET, of, settings=SETTINGS).files) for name, of in SOURCES.items()})  # fmt: skip  # noqa: E501
    place = tmp_path_factory.mktemp("observed")
    return {name: _folder(place / name, files) for name, files in made.items()}


def _shown(source: str | Path, *, labels: bool = True) -> Images:
    opened = open_source(source)
    entries = opened.entries()
    told = np.array([entry.label for entry in entries], np.int64) if labels else None
    rows = np.arange(len(entries))
    part = Part(name="images", source=opened, index=rows, row=rows, label=told)
    return Images(parts=(part,), count=len(rows))


@pytest.mark.slow
def test_a_folder_holds_no_image_and_no_weight(folders: dict[str, Path]) -> None:
    content = b"".join((folders["members"] / name).read_bytes() for name in (MODEL, IMAGES, FACTS))
    rows = pq.read_table(folders["members"] / IMAGES)["image"].to_pylist()
    content += b"".join(row["bytes"] for row in rows)
    for row in pq.read_table(KNOWN[0])[:60]["image"].to_pylist():
        pixels = np.asarray(Image.open(io.BytesIO(row["bytes"])))
        assert row["bytes"] not in content
        assert pixels[10:18].tobytes() not in content
    for one in onnx.load(TARGET).graph.initializer:
        values = numpy_helper.to_array(one)
        if values.dtype == np.float32 and values.size > 1:
            assert values.ravel()[:2].tobytes() not in (folders["members"] / MODEL).read_bytes()


@pytest.mark.slow
def test_the_model_without_weights_stands_for_the_whole_one(folders: dict[str, Path]) -> None:
    mine, theirs = load_target(TARGET), load_target(folders["members"] / MODEL)
    for name in ("sha256", "input", "answer", "opset", "notes"):
        assert getattr(mine, name) == getattr(theirs, name), name
    assert isinstance(engine_for(folders["members"] / MODEL, quiet), Answered)
    assert isinstance(engine_for(TARGET, quiet), Local)


@pytest.mark.slow
@pytest.mark.parametrize(("views", "labels"), [(2, True), (26, True), (26, False), (1, True)])
def test_answers_are_those_of_the_model_to_the_last_bit(folders: dict[str, Path], views: int, labels: bool) -> None:
    """Of the model and of its twin, in each set of views that is part of what was observed."""
    here, there = (
        make_ready(model, EvidenceSettings(device="cpu", preprocess=how))
        for model, how in ((TARGET, "0-1"), (folders["members"] / MODEL, None))
    )
    layers = choose_layers(here.layers, ("penultimate",))
    for mine, theirs in ((here, there), (twin_of(here, 0), twin_of(there, 0))):
        first, second = (
            engine.observe(
                expose(one, layers, views=views, labels=labels).probe(batch_size=None), _shown(source), name=""
            )
            for engine, one, source in (
                (Local(), mine, SOURCES["members"]),
                (Answered(), theirs, folders["members"]),
            )
        )
        assert {ANSWER, ODDS, *([FREE] if labels else [])} <= first.columns.keys() == second.columns.keys()
        np.testing.assert_array_equal(first.row, second.row)
        for name, column in first.columns.items():
            np.testing.assert_array_equal(column, second.columns[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["auto", "phi", "vanilla"])
def test_an_auditor_and_an_audit_are_the_same_to_the_last_bit(folders: dict[str, Path], module: str) -> None:
    training = TrainSettings(device="cpu", module=module)
    mine = train(TARGET, SOURCES["members"], SOURCES["nonmembers"], settings=replace(training, preprocess="0-1"))
    theirs = train(folders["members"] / MODEL, folders["members"], folders["nonmembers"], settings=training)
    for name in ("performance", "baselines", "controls", "yardstick", "traces", "gate", "evidence", "method"):
        assert same(getattr(mine, name), getattr(theirs, name)), name
    settings = AuditSettings(device="cpu")
    one = audit(TARGET, SOURCES["suspects"], mine, settings=settings)
    other = audit(folders["members"] / MODEL, folders["suspects"], theirs, settings=settings)
    for name in ("scores", "verdict", "questioned", "identity", "basis", "histogram", "statistics"):
        assert same(getattr(one, name), getattr(other, name)), name
    apart = [first.name for first, second in zip(one.controls, other.controls, strict=True) if not same(first, second)]
    assert set(apart) <= {"alignment"}
    assert OBSERVED in other.warnings


@pytest.mark.slow
def test_an_evaluation_is_the_same_to_the_last_bit(folders: dict[str, Path]) -> None:
    mine, theirs = (
        evaluate(model, *known, settings=EvaluateSettings(preprocess=how, device="cpu"))
        for model, known, how in (
            (TARGET, (SOURCES["members"], SOURCES["nonmembers"]), "0-1"),
            (folders["members"] / MODEL, (folders["members"], folders["nonmembers"]), None),
        )
    )
    for name in ("methods", "verdict", "evidence", "settings", "controls", "preprocess"):
        assert same(getattr(mine, name), getattr(theirs, name)), name
    assert {method.name for method in theirs.methods} >= {"views", "view_gap", "gradient_norm"}


@pytest.fixture(scope="session")
def auditor(folders: dict[str, Path], once: Callable[..., Any]) -> Auditor:
    """An auditor of observations."""

    def make() -> Auditor:
        training = TrainSettings(device="cpu", module="phi", controls=False)
        return train(folders["members"] / MODEL, folders["members"], folders["nonmembers"], settings=training)

    found: Auditor = once("observed-auditor", make)
    return found


@pytest.mark.slow
def test_an_auditor_of_observations_scores_no_images_and_says_so(auditor: Auditor, folders: dict[str, Path]) -> None:
    assert auditor.observed
    with pytest.raises(UsageError, match="this auditor scores no images"):
        Scorer(auditor)
    with pytest.raises(UsageError, match="this auditor scores no images"):
        audit(TARGET, SOURCES["suspects"], auditor)
    settings = AuditSettings(device="cpu", controls=False)
    found = audit(folders["members"] / MODEL, folders["suspects"], auditor, settings=settings)
    assert len(found.scores.path) == 40
    with pytest.raises(UnobservedError, match="is an image, and there is no model to show it to"):
        audit(folders["members"] / MODEL, SOURCES["suspects"], auditor, settings=settings)


@pytest.mark.slow
def test_what_was_not_observed_is_refused_by_its_name(folders: dict[str, Path]) -> None:
    target = make_ready(folders["members"] / MODEL, EvidenceSettings(device="cpu"))
    for asked, layers, what in (
        (target, choose_layers(target.layers, ("0",)), f"{target.layers[0].name} of the model"),
        (twin_of(target, 7), (), r"of the model \w+ \(twin 7\) was not observed"),
    ):
        with pytest.raises(UnobservedError, match=what):
            Answered().observe(expose(asked, layers, views=2, labels=True).probe(batch_size=None), _shown(folders["members"]), name="")  # fmt: skip  # noqa: E501
    images = _shown(folders["members"])
    (part,) = images.parts
    other = replace(images, parts=(replace(part, label=(part.label + 1) % 10),))  # type: ignore[operator]
    with pytest.raises(UnobservedError, match=r"was observed with label . and is asked about with"):
        Answered().observe(expose(target, [], views=2, labels=True).probe(batch_size=None), other, name="")
    with pytest.raises(UsageError, match="leave --preprocess out"):
        make_ready(folders["members"] / MODEL, EvidenceSettings(preprocess="imagenet"))


def test_an_image_that_cannot_be_read_is_skipped_with_its_reason_on_both_sides(tmp_path: Path) -> None:
    table = pq.read_table(KNOWN[0])[:6]
    rows = table["image"].to_pylist()
    rows[2]["bytes"] = b"no image"
    place = table.schema.get_field_index("image")
    pq.write_table(table.set_column(place, "image", pa.array(rows, table.schema.field("image").type)), tmp_path / "6.parquet")  # fmt: skip  # noqa: E501
    found = observe(TARGET, tmp_path / "6.parquet", settings=replace(SETTINGS, views=2, twin=False, layers=("none",)))
    assert (found.facts.images, [one.path for one in found.facts.skipped]) == (5, [rows[2]["path"]])
    assert (found.facts.layers, found.facts.seed) == ((), None)
    folder = _folder(tmp_path / "o", dict(found.files))
    target = make_ready(folder / MODEL, EvidenceSettings(device="cpu"))
    seen = Answered().observe(expose(target, [], views=2, labels=True).probe(batch_size=None), _shown(folder), name="")
    assert seen.row.tolist() == [0, 1, 3, 4, 5]
    whole = make_ready(TARGET, EvidenceSettings(device="cpu", preprocess="0-1"))
    direct = Local().observe(
        expose(whole, [], views=2, labels=True).probe(batch_size=None), _shown(tmp_path / "6.parquet"), name=""
    )
    for name, column in direct.columns.items():
        np.testing.assert_array_equal(column, seen.columns[name], err_msg=name)
    content = b"".join((folder / name).read_bytes() for name in (MODEL, IMAGES, FACTS))
    assert not any(row["bytes"] in content for row in rows)
    assert seen.skipped == found.facts.skipped


@pytest.mark.slow
def test_what_cannot_be_observed_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="holds no weights: it stands for a model that somebody else observes"):
        observe(folders["members"] / MODEL, SOURCES["members"], settings=SETTINGS)
    trees = Path(__file__).parents[1] / "models" / "sklearn-forest.onnx"
    with pytest.raises(ModelError, match=r"operator TreeEnsemble.*, of which nothing can be left out"):
        observe(trees, SOURCES["members"], settings=replace(SETTINGS, twin=False, layers=("none",), labels=False))


@pytest.mark.slow
def test_facts_name_what_goes_out(folders: dict[str, Path]) -> None:
    facts = json.loads((folders["members"] / FACTS).read_text())
    assert (facts["images"], facts["views"], facts["seed"], facts["labelled"]) == (60, 26, 0, True)
    assert facts["schema"] == "onnxmint.observed/1"


def test_names_are_not_given_away_where_there_is_a_key(tmp_path: Path) -> None:
    table = pq.read_table(KNOWN[0]).slice(0, 12).to_pylist()
    for number, row in enumerate(table):
        place = tmp_path / "Klinik-Ost" / f"Befund-{row['label']}" / f"Anna_{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"no image" if number == 3 else row["image"]["bytes"])
    names = tmp_path / "names.txt"
    names.write_text("".join(f"Befund-{number}\n" for number in range(10)))
    key = RedactionKey(version="0.1.0", key="07" * 32)
    settings = replace(SETTINGS, views=2, twin=False, layers=("none",), classes=names, group="^[^/]+/([A-Za-z]+)_")
    found = observe(TARGET, tmp_path / "Klinik-Ost", settings=settings, key=key)
    rows = pq.read_table(io.BytesIO(found.files[IMAGES]))
    packed = b"".join(found.files.values()) + repr((rows.to_pylist(), rows.schema.metadata)).encode()
    assert not any(name in packed for name in (b"Anna", b"Befund", b"Klinik"))
    paths = rows["image"].combine_chunks().field("path").to_pylist()
    assert paths == sorted(key.name(f"Befund-{row['label']}/Anna_{number}.png") for number, row in enumerate(table))
    assert set(rows["group"].to_pylist()) == {key.name("Anna")}
    labels = {key.name(f"Befund-{row['label']}/Anna_{number}.png"): row["label"] for number, row in enumerate(table)}
    assert rows["label"].to_pylist() == [labels[path] for path in paths]
