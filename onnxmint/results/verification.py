"""What a check of a run found, step by step; a step that could not be done never counts as passed."""

from dataclasses import dataclass
from typing import Literal

from onnxmint.results.json import Document

StepName = Literal["integrity", "authenticity", "order", "derivation", "inputs", "recomputation", "retraining"]
Outcome = Literal["passed", "failed", "not done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One question that was asked of a run.

    Attributes:
        name: of the step.
        outcome: "not done" where something is missing that it needs.
        text: what was found, or what is missing.
        differences: what is not as it was written, each in a line.
    """

    name: StepName
    outcome: Outcome
    text: str
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A check of a run.

    Attributes:
        version: of onnxmint that checked.
        created: ISO 8601, UTC.
        run: the folder.
        manifest_sha256: of its manifest.json, None where it has none: what was checked, in one word.
        steps: that were asked for, in their order.
        verified: whether all of them passed.
    """

    version: str
    created: str
    run: str
    manifest_sha256: str | None
    steps: tuple[Step, ...]
    verified: bool


VERIFICATION = Document(kind=Verification, schema="onnxmint.verification/1", mend="run onnxmint verify again")
"""What `verify --json` prints."""
