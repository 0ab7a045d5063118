"""Thumbnails are small, hold nothing but pixels, and are those of both ends of the scores."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnxmint.report.html import render_html
from onnxmint.report.presentation import Presentation
from onnxmint.results.audit import AuditResult, ScoreTable
from onnxmint.results.pictures import LARGEST, PICTURES, SIDE, Picture, Pictures, both_ends
from onnxmint.workflows.picturing import picture
from tests.report.conftest import score_table


def _noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def _scores(paths: list[str]) -> ScoreTable:
    """Score images, the first highest."""
    table = score_table(len(paths))
    return replace(table, path=tuple(paths), score=-np.arange(len(paths), dtype=float))


def thumbnails(folder: Path, scores: ScoreTable) -> Pictures:
    """Return thumbnails as large as they get, of images that are made in a folder."""
    for end in both_ends(scores):
        for row in end.tolist():
            (folder / scores.path[row]).parent.mkdir(parents=True, exist_ok=True)
            _noise(200, 200, row).save(folder / scores.path[row], "PNG")
    return picture(folder, scores)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "Anna's house", 6
    _noise(640, 480).save(tmp_path / "a.jpg", exif=exif, comment=b"secret comment")
    _noise(96, 96, 1).save(tmp_path / "b.png")
    Image.new("RGBA", (300, 20), (255, 0, 0, 0)).save(tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes((tmp_path / "b.png").read_bytes()[:200])
    for name in "efgh":
        _noise(28, 28, ord(name)).convert("L").save(tmp_path / f"{name}.png")
    return tmp_path


def test_thumbnails_are_small_and_hold_nothing_but_pixels(folder: Path) -> None:
    made = picture(folder, _scores(["a.jpg", "b.png", "c.png", "e.png", "f.png", "g.png", "h.png"]))
    assert [one.row for one in made.most] == [0, 1, 2]
    assert [one.row for one in made.least] == [6, 5, 4]
    for one in (*made.most, *made.least):
        assert len(one.data) <= LARGEST
        shown = Image.open(io.BytesIO(one.data))
        assert max(shown.size) <= SIDE
        assert not shown.getexif()
        assert b"Anna" not in one.data
        assert b"EXIF" not in one.data
        assert b"secret" not in one.data
    turned, _, clear = (Image.open(io.BytesIO(one.data)) for one in made.most)
    assert turned.height > turned.width  # upright, as EXIF said
    assert np.asarray(clear.convert("RGB")).min() > 240  # what is transparent is white


def test_an_image_that_cannot_be_read_is_left_out(folder: Path) -> None:
    made = picture(folder, _scores(["d.png", "gone.png", "e.png", "f.png", "g.png", "h.png"]))
    assert [one.row for one in made.most] == [2]
    assert len(made.least) == 3


def test_no_image_is_at_both_ends() -> None:
    for count in (1, 2, 23, 24, 25, 100):
        most, least = both_ends(score_table(count))
        assert len(most) == len(least) == min(12, count // 2)
        assert not set(most.tolist()) & set(least.tolist())


def test_thumbnails_survive_their_file_and_nothing_else_does(folder: Path) -> None:
    made = picture(folder, _scores(["a.jpg", "e.png"]))
    assert PICTURES.read(PICTURES.write(made), "here") == made
    for data in (b"<script>", b"RIFF\0\0\0\0WEBP" + bytes(LARGEST)):
        with pytest.raises(ValueError, match="no WebP image of at most 3,072 bytes"):
            Pictures(most=(Picture(row=0, data=data),), least=())


def test_the_page_shows_them_with_names_and_allows_nothing_else(folder: Path, result: AuditResult) -> None:
    made = picture(folder, _scores(["a.jpg", "b.png", "e.png", "f.png"]))
    names = tuple(f"class {number}" for number in range(10))
    page = render_html(replace(result, class_names=names), Presentation(pictures=made))
    assert page.count('<img src="data:image/webp;base64,') == 4
    assert 'alt="photos/2023/IMG_4000.jpg, number 1"' in page
    assert "img-src data:;" in page
    assert names[int(result.scores.predicted[0])] in page
    assert "img-src" not in render_html(result)


def test_a_page_of_10000_images_with_thumbnails_stays_under_300_kb(result: AuditResult, tmp_path: Path) -> None:
    paths = tuple(f"{number:05d}.png" for number in range(10_000))
    scores = replace(score_table(10_000), path=paths, score=-np.arange(10_000, dtype=float))
    made = thumbnails(tmp_path, scores)
    assert len(made.most) == len(made.least) == 12
    many = replace(result, scores=scores, questioned=replace(result.questioned, images=10_000))
    assert len(render_html(many, Presentation(code="fr", pictures=made)).encode()) < 300_000
