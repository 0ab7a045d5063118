"""Known images row by row: which are shown, where they are, and what a draw of them leaves together."""

import numpy as np

from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import CALIBRATE, FIT, TEST
from onnxmint.images.chosen import Part
from tests.known import known


def _parts(evidence: Evidence, *parts: int) -> list[Part]:
    found = [part for part in evidence.images(*parts).parts if isinstance(part, Part)]
    assert [part.name for part in found] == ["members", "non-members"]
    return found


def test_images_of_some_parts_come_side_by_side_with_their_rows() -> None:
    evidence = known(100)
    table = evidence.table
    members, others = _parts(evidence, CALIBRATE, TEST)
    assert evidence.images().count == evidence.images(TEST).count == 200
    for part, source, member in ((members, evidence.sources[0], True), (others, evidence.sources[1], False)):
        assert part.source is source
        np.testing.assert_array_equal(part.row, table.rows(CALIBRATE, TEST, member=member))
        np.testing.assert_array_equal(part.index, table.index[part.row])
        assert table.labels is not None
        assert part.label is not None
        np.testing.assert_array_equal(part.label, table.labels[part.row])
    assert len(evidence.images(*FIT)) + len(evidence.images(CALIBRATE, TEST)) == 200


def test_all_parts_are_shown_when_none_is_named() -> None:
    members, others = _parts(known(60))
    np.testing.assert_array_equal(np.concatenate([members.row, others.row]), np.arange(120))


def test_chosen_rows_are_shown_and_no_others() -> None:
    members, others = (part for part in known(60).chosen(np.array([3, 59, 60, 101])).parts)
    assert (members.row.tolist(), others.row.tolist()) == ([3, 59], [60, 101])
    assert isinstance(others, Part)
    assert others.index.tolist() == [0, 41]


def test_a_draw_keeps_rows_with_what_belongs_to_them() -> None:
    evidence = known(60)
    some, row = evidence.some(25, np.random.default_rng(3))
    assert np.bincount(evidence.table.is_member[row]).tolist() == [25, 25]
    assert (np.diff(row) > 0).all()
    np.testing.assert_array_equal(some.table.part, evidence.table.part[row])
    np.testing.assert_array_equal(some.facts.digest, evidence.facts.digest[row])
    np.testing.assert_array_equal(some.facts.pixel, evidence.facts.pixel[row])
    assert some.paths() == [evidence.paths()[number] for number in row.tolist()]


def test_a_draw_of_more_than_there_are_is_all() -> None:
    some, row = known(60).some(2000, np.random.default_rng(0))
    assert (len(some.table.index), row.tolist()) == (120, list(range(120)))


def test_names_are_those_of_the_sources() -> None:
    assert known(60).paths()[58:62] == ["members/58", "members/59", "nonmembers/0", "nonmembers/1"]
