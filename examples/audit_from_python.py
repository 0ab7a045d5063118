"""Train an auditor and audit images from Python, on the bundled demo data.

python examples/audit_from_python.py
"""

from importlib import resources

from onnxmint import AuditSettings, TrainSettings, audit, train

with resources.as_file(resources.files("onnxmint.demo")) as data:
    auditor = train(
        data / "target.onnx",
        data / "members.parquet",
        data / "nonmembers.parquet",
        settings=TrainSettings(preprocess="0-1", limit=500),  # of each side; all of them without a limit
    )
    result = audit(data / "target.onnx", data / "questioned.parquet", auditor, settings=AuditSettings(alpha=0.05))

auc = auditor.performance.auc
print(f"AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}) on images the auditor never saw")
print(result.verdict.kind)
print(result.verdict.text)
