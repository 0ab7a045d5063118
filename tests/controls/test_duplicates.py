"""Duplicates: what was done about copies is told in numbers; images on both sides fail."""

from dataclasses import replace

import numpy as np

from onnxmint.controls.duplicates import duplicates_control
from onnxmint.evidence.copies import Copies
from onnxmint.results.facts import Control
from tests.controls.conftest import NONE, seen
from tests.known import known


def _control(copies: Copies) -> Control:
    return duplicates_control(seen(known(50), copies=copies), np.random.default_rng(0))


def test_no_copies_pass() -> None:
    control = _control(NONE)
    assert control.passed is True
    assert control.text == "Of 400 known images: none is a copy or near copy of another."


def test_images_on_both_sides_fail() -> None:
    found = replace(NONE, on_both_sides=1, near_copies_of_members=2, left_out=3, left_out_images=("a", "b"))
    control = _control(found)
    assert control.passed is False
    assert "1 given both as member and as non-member, left out of both" in control.text
    assert "2 given as non-member but a near copy of a member" in control.text
    assert "3 a copy or near copy of another on its side, left out" in control.text
    assert control.copies is not None
    assert control.copies.left_out_images == ("a", "b")


def test_copies_that_became_groups_are_told() -> None:
    control = _control(replace(NONE, grouped=320))
    assert control.passed is True
    assert "320 a copy or near copy of another, kept together in every split" in control.text
