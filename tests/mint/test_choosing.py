"""References are compared with where they are surely of use, and never where they tell members apart by themselves."""

import numpy as np
import torch

from onnxmint.evidence.table import FIT, EvidenceTable
from onnxmint.mint.choosing import FirstColumns, why_withheld, with_references
from onnxmint.progress import quiet

COUNT = 400


def _table(groups: np.ndarray | None = None) -> EvidenceTable:
    rows = np.arange(COUNT)
    return EvidenceTable(
        index=rows, is_member=rows % 2 == 0, labels=None, groups=groups,
        part=np.array(FIT, np.int8)[rows // 2 % len(FIT)], fold=np.zeros(COUNT, np.int8),
    )  # fmt: skip


def _relative(*, leak: float = 0.0, told: float = 0.0) -> torch.Tensor:
    """Return log-odds in two views, and last the references': how hard an image is hides membership in all."""
    rng, member = np.random.default_rng(0), np.arange(COUNT) % 2 == 0
    hard = 4 * rng.normal(size=(COUNT, 1))
    odds = hard + rng.normal(size=(COUNT, 2)) + told * member[:, None]
    return torch.from_numpy(np.concatenate([odds, hard + leak * member[:, None]], axis=1).astype(np.float32))


def test_references_that_take_difficulty_away_are_compared_with() -> None:
    found = with_references(_relative(told=3.0), _table(), 0, quiet)
    assert found.module.name == "relative"
    assert found.notes == ()


def test_references_that_are_of_no_use_are_left_away_and_it_is_said() -> None:
    found = with_references(_relative(), _table(), 0, quiet)
    assert found.module.name == "views"
    assert found.notes == (
        "The references were not surely of use on the images to learn from, so the module is views, which does not "
        "compare with them; --module relative does.",
    )


def test_references_that_tell_members_apart_by_themselves_are_withheld() -> None:
    """They would make a finding of what is only easier: here of members that they were trained on."""
    found = with_references(_relative(leak=4.0, told=3.0), _table(), 0, quiet)
    assert found.module.name != "relative"
    (note,) = found.notes
    assert "withheld from the module: the references tell members from non-members by themselves (AUC 0.7" in note


def test_a_group_is_one_vote_on_whether_references_are_withheld() -> None:
    leak = _relative()
    leak[:100:2, -1] += 20
    groups = np.arange(COUNT)
    groups[:100:2] = 0
    assert why_withheld(leak, _table()) is not None
    assert why_withheld(leak, _table(groups)) is None


def test_log_odds_are_read_without_the_references() -> None:
    whole = _relative()
    mine = FirstColumns(whole, 2)
    assert len(mine) == COUNT
    assert mine.device == whole.device
    assert torch.equal(mine[torch.tensor([3, 1])], whole[[3, 1], :2])
