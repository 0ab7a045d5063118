"""What the reader of an audit has to know of its images, its device, and what single images can show."""

from onnxmint.evidence.questioned import Questioned
from onnxmint.images.passed import frames_note
from onnxmint.preprocess.declaring import orientation_note
from onnxmint.settings import AuditSettings
from onnxmint.verdict.scores import QuestionedScores
from onnxmint.verdict.units import Units
from onnxmint.workflows.opening import Ready


def warnings_of(
    ready: Ready, asked: Questioned, scored: QuestionedScores, units: Units, settings: AuditSettings
) -> list[str]:
    """Return what has to be known of the questioned images, of the device, and of what single images can show."""
    yardstick, device = ready.auditor.yardstick, ready.target.device
    found = [*ready.source.notes]
    turned = orientation_note(asked.facts.turned, len(asked.facts.index), ready.target.spec, ready.source.location)
    if turned is not None:
        found.append(turned)
    found += frames_note(int(asked.facts.more.sum()), len(asked.facts.index), ready.source.location)
    if scored.skipped:
        found.append(
            f"{len(scored.skipped)} of {len(asked.entries)} questioned images were skipped; the report names them."
        )
    if asked.known:
        found.append(
            f"{len(asked.known)} questioned images are known images of the evidence, or near copies of such; they were "
            "not judged."
        )
    if yardstick.group is not None and not units.grouped:
        found.append(
            "The evidence has groups but the questioned images have none (--group): they were measured by one image of "
            "each known group, and if many of them are near copies that were not noticed, the p-value is too small."
        )
    if settings.group is not None and yardstick.group is None:
        found.append(
            "The questioned images have groups but the evidence has none: one image of each group was taken, that of "
            "the smallest digest, to be measured by single known images; with groups in the evidence more may count."
        )
    if settings.device == "auto" and device.kind == "cpu" and "driver" not in device.reason:
        found.append(f"Ran on the CPU: {device.reason}.")
    known = units.known.groups().nonmember
    smallest = 1 / (len(known) + 1)
    if smallest > settings.alpha / 10:
        found.append(
            f"With {len(known)} held-out non-members no p-value can be below {smallest:.3g}, so single images can "
            "hardly be flagged; bring more known non-members."
        )
    return found
