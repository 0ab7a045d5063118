"""What a reader wants of a trained auditor: everything but the graph and the raw scores."""

from dataclasses import dataclass

from onnxmint.errors import ModelError
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.facts import Baseline, Control, EvidenceFacts, MethodFacts
from onnxmint.results.json import Document
from onnxmint.stats.estimates import Performance
from onnxmint.stats.gate import Gate

SCHEMA = "onnxmint.auditor/6"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorFacts:
    """What is known of an auditor.

    Attributes:
        version: of onnxmint.
        created: ISO 8601, UTC.
        target_sha256: hash of the file it audits.
        preprocess: how images are prepared, final size included.
        method: what it scores with.
        evidence: what it was fitted, calibrated and tested on.
        performance: of its score on the test part; None where that could not be measured.
        unmeasured: why not.
        baselines: simple scores on the same test part.
        controls: tests of the evidence for other explanations than membership.
        gate: whether members can be told at all, by known images that no verdict rests on; None where there are none.
        warnings: what a reader of any audit with this auditor has to know.
    """

    version: str
    created: str
    target_sha256: str
    preprocess: PreprocessSpec
    method: MethodFacts
    evidence: EvidenceFacts
    performance: Performance | None
    baselines: tuple[Baseline, ...]
    controls: tuple[Control, ...]
    gate: Gate | None = None
    unmeasured: str | None = None
    warnings: tuple[str, ...] = ()


AUDITOR_FACTS = Document(kind=AuditorFacts, schema=SCHEMA, mend="train it again", error=ModelError)
