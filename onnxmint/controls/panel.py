"""All controls, in one table: to add one, write its file and its row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from onnxmint.controls.alignment import alignment_control
from onnxmint.controls.duplicates import duplicates_control
from onnxmint.controls.exchangeability import exchangeability_control
from onnxmint.controls.labels import question_the_labels
from onnxmint.controls.placebo import placebo_control
from onnxmint.controls.plausibility import plausibility_control
from onnxmint.controls.reference import question_the_reference, reference_control
from onnxmint.controls.seen import Seen, SeenQuestioned
from onnxmint.controls.shift import files_control, pixels_control
from onnxmint.results.facts import Control

OfEvidence = Callable[[Seen, np.random.Generator], Control]
OfQuestion = Callable[[Control | None, SeenQuestioned, np.random.Generator], Control]
_OFF = "Not run: switched off with --no-controls."
_NOBODY = "Not run: it compares known members with known non-members, and no members are known."


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A control.

    Attributes:
        name: as reports list it.
        of_evidence: judges what is known of the evidence; None where it needs questioned images.
        of_question: judges the questioned images too, given what was found before; None where it does not need them.
        needs_module: whether it compares with a fitted module.
        needs_members: whether it compares known members with known non-members.
        stops: whether no verdict is reached when it fails.
        hides: whether members could go unnoticed when it fails.
        optional: whether --no-controls leaves it out.
    """

    name: str
    of_evidence: OfEvidence | None = None
    of_question: OfQuestion | None = None
    needs_module: bool = False
    needs_members: bool = False
    stops: bool = False
    hides: bool = False
    optional: bool = True


PANEL = (
    Row(
        name="reference",
        of_evidence=reference_control,
        of_question=question_the_reference,
        needs_module=True,
        stops=True,
    ),
    Row(name="placebo", of_evidence=placebo_control, needs_module=True, needs_members=True, stops=True),
    Row(name="files", of_evidence=files_control, needs_members=True, stops=True),
    Row(name="pixels", of_evidence=pixels_control, needs_members=True, stops=True),
    Row(name="duplicates", of_evidence=duplicates_control, optional=False),
    Row(name="exchangeability", of_question=exchangeability_control, stops=True),
    Row(name="labels", of_question=question_the_labels, stops=True, optional=False),
    Row(name="alignment", of_question=alignment_control, hides=True),
    Row(name="plausibility", of_evidence=plausibility_control, optional=False),
)
"""Every control, strongest first, as reports list them."""


def control_evidence(seen: Seen, rng: np.random.Generator, *, wanted: bool) -> tuple[Control, ...]:
    """Return the controls that need no questioned image.

    Args:
        seen: what is known of the evidence.
        rng: of the draws.
        wanted: false leaves out those that are optional, and says so.
    """
    found = []
    for row in PANEL:
        if row.of_evidence is None or (row.needs_module and seen.target is None):
            continue
        if row.optional and not wanted:
            found.append(Control(name=row.name, passed=None, text=_OFF))
        elif row.needs_members and seen.evidence.table.alone:
            found.append(Control(name=row.name, passed=None, text=_NOBODY))
        else:
            found.append(row.of_evidence(seen, rng))
    return _marked(found)


def control_question(
    before: Sequence[Control], asked: SeenQuestioned, rng: np.random.Generator, *, wanted: bool
) -> tuple[Control, ...]:
    """Return all controls, those that need questioned images included.

    Args:
        before: from `control_evidence`.
        asked: what is known of the questioned images.
        rng: of the draws.
        wanted: false leaves out optional ones that were not run on the evidence, and says so.
    """
    of, found = {control.name: control for control in before}, []
    for row in PANEL:
        had = of.get(row.name)
        if row.of_question is None:
            found.append(had)
        elif wanted or not row.optional:
            found.append(row.of_question(had, asked, rng))
        else:
            found.append(had or Control(name=row.name, passed=None, text=_OFF))
    return _marked([control for control in found if control is not None])


def _marked(controls: Sequence[Control]) -> tuple[Control, ...]:
    """Return the controls with what the panel says of them."""
    of = {row.name: row for row in PANEL}
    return tuple(replace(control, stops=of[control.name].stops, hides=of[control.name].hides) for control in controls)
