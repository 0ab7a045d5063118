"""All forms that an audit is converted to; to add one, write its file and its row."""

from collections.abc import Callable

from onnxmint.report.conversions.attestation import attestation
from onnxmint.report.conversions.cyclonedx import cyclonedx
from onnxmint.report.conversions.junit import junit
from onnxmint.report.conversions.markdown import markdown, model_card
from onnxmint.report.conversions.ro_crate import ro_crate
from onnxmint.report.conversions.sarif import sarif
from onnxmint.results.audit import AuditResult
from onnxmint.results.gate import GateRule

Conversion = Callable[[AuditResult, GateRule], str]

CONVERSIONS: dict[str, Conversion] = {
    "junit": junit,
    "sarif": sarif,
    "markdown": markdown,
    "attestation": attestation,
    "cyclonedx": cyclonedx,
    "ro-crate": ro_crate,
    "model-card": model_card,
}
