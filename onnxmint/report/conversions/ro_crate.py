"""RO-Crate 1.1: ro-crate-metadata.json of the folder of a run, for archives and universities."""

import json

from onnxmint.report.conversions.sarif import location
from onnxmint.report.names import visible
from onnxmint.results.audit import AuditResult
from onnxmint.results.gate import GateRule

_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
_CONFORMS = "https://w3id.org/ro/crate/1.1"
_KINDS = {
    "report.html": ("the report", "text/html"),
    "report.json": ("all results", "application/json"),
    "scores.parquet": ("a row an image", "application/vnd.apache.parquet"),
    "auditor.onnx": ("the auditor", "application/octet-stream"),
    "run.toml": ("settings, versions and hashes", "application/toml"),
    "manifest.json": ("all files and inputs by hash", "application/json"),
}


def ro_crate(result: AuditResult, _: GateRule) -> str:
    """Return the metadata of a run: its files, the model, and the audit that made it (Process Run Crate)."""
    model = f"#model-{location(result.target.path)}"
    files: list[dict[str, object]] = [
        {"@id": name, "@type": "File", "name": words, "encodingFormat": form} for name, (words, form) in _KINDS.items()
    ]
    graph: list[dict[str, object]] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": _CONFORMS},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Membership audit of {visible(result.target.path)}: {result.verdict.kind}",
            "description": visible(result.verdict.text),
            "datePublished": result.created,
            "license": "not stated",
            "hasPart": [{"@id": name} for name in _KINDS],
            "mentions": {"@id": "#audit"},
        },
        *files,
        {
            "@id": model,
            "@type": "SoftwareSourceCode",
            "name": visible(result.target.path),
            "identifier": f"sha256:{result.target.sha256}",
        },
        {"@id": "#onnxmint", "@type": "SoftwareApplication", "name": "onnxmint", "softwareVersion": result.version},
        {
            "@id": "#audit",
            "@type": "CreateAction",
            "name": "membership audit",
            "instrument": {"@id": "#onnxmint"},
            "object": {"@id": model},
            "result": [{"@id": name} for name in _KINDS],
            "endTime": result.created,
        },
    ]
    return json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=1) + "\n"
