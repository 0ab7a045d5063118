"""The page's numbers and pixels are Python's: the vectors hold both sides, and neither can change alone."""

import base64
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from onnxmint.preprocess.resampling import TORCH_FILTERS
from onnxmint.preprocess.spec import CHOICES, FILTERS

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "tools" / "page"
sys.path.insert(0, str(SOURCES))

import drawn  # noqa: E402
import folder_cases  # noqa: E402
import pixel_cases  # noqa: E402 - tools are no package
import statistics_cases  # noqa: E402
import word_cases  # noqa: E402

_PILLOW_TALKS = pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
MEND = "onnxmint says something else than the page: change both, then python tools/page/write_vectors.py"


def require_same(found: Any, wanted: Any, place: str) -> None:
    """Compare trees; numbers may differ in the last digits, as another NumPy adds in another order."""
    if isinstance(wanted, float) and isinstance(found, (int, float)):
        assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-14), f"{place}: {found} for {wanted}; {MEND}"
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), place
        for key in wanted:
            require_same(found[key], wanted[key], f"{place}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), place
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            require_same(one, other, f"{place}[{number}]")
    else:
        assert found == wanted, f"{place}: {found!r} for {wanted!r}; {MEND}"


def statistics() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((SOURCES / "vectors" / "statistics.json").read_text())
    return found


def require_answers(kept: list[dict[str, Any]]) -> None:
    for one in kept:
        case = drawn.Case(**one["case"])
        require_same(json.loads(json.dumps(statistics_cases.answer(case))), one["answer"], f"case {case.seed}")


def require_images(kept: list[dict[str, Any]]) -> None:
    for one in kept:
        found = json.loads(json.dumps(pixel_cases.answer(base64.b64decode(one["data"]))))
        refused = "refused" in one["answer"]  # the words of a refusal may be those of another Pillow
        assert refused == ("refused" in found), one["name"]
        for name, wanted in {} if refused else one["answer"]["made"].items():
            assert ("refused" in wanted) == ("refused" in found["made"][name]), one["name"]
            assert wanted.get("sha256") == found["made"][name].get("sha256"), f"{one['name']}, {name}; {MEND}"
        assert refused or [found[key] for key in _LOOKS] == [one["answer"][key] for key in _LOOKS], one["name"]


_LOOKS = ("turned", "digest", "phash", "thumb")


def images() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((SOURCES / "vectors" / "images.json").read_text())["files"]
    return found


def test_some_statistics_are_those_that_the_page_was_held_to() -> None:
    few = [one for one in statistics() if one["case"]["asked"] <= 30]
    require_answers(few[::40] + [one for one in few if one["case"]["asked_group"] == 1])


@_PILLOW_TALKS
def test_some_images_become_the_pixels_that_the_page_was_held_to() -> None:
    require_images(images()[::16])


@pytest.mark.slow
def test_all_statistics_are_those_that_the_page_was_held_to() -> None:
    kept = statistics()
    assert [one["case"] for one in kept] == [vars_of(case) for case in statistics_cases.cases()]
    require_answers(kept)


@_PILLOW_TALKS
@pytest.mark.slow
def test_all_images_become_the_pixels_that_the_page_was_held_to() -> None:
    require_images(images())


def test_folders_hold_the_images_and_classes_that_the_page_was_held_to() -> None:
    kept = json.loads((SOURCES / "vectors" / "folders.json").read_text())
    require_same(json.loads(json.dumps(folder_cases.written())), kept, "folders")


def test_every_choice_of_a_preparation_is_one_that_the_page_was_held_to() -> None:
    held = pixel_cases.SPECS.values()
    for field, choices in CHOICES.items():
        if field in pixel_cases.FIELDS:
            assert {getattr(spec, field) for spec in held} == set(choices), field
    for whose, filters in (("pillow", FILTERS), ("torch", TORCH_FILTERS)):
        assert {spec.filter for spec in held if spec.resampler == whose} == set(filters), whose


def vars_of(case: Any) -> dict[str, Any]:
    return {name: getattr(case, name) for name in case.__slots__}


@pytest.mark.slow
def test_the_page_gives_the_numbers_and_pixels_of_the_vectors() -> None:
    node = shutil.which("node")
    if node is None or not (SOURCES / "node_modules").is_dir():
        pytest.skip("needs Node and its packages: npm ci --prefix tools/page")
    tests = [
        str(SOURCES / "tests" / f"{name}.test.mjs") for name in ("statistics", "images", "words", "folders", "style")
    ]
    ran = subprocess.run([node, "--test", *tests], capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout[-3000:]


@pytest.mark.slow
def test_answers_are_in_the_words_that_the_page_was_held_to() -> None:
    kept = json.loads((SOURCES / "vectors" / "words.json").read_text())
    found = json.loads(json.dumps(word_cases.written(statistics())))
    for name in ("written", "cases"):
        require_same(found[name], kept[name], name)
