"""An audit that tells no names of images: pseudonyms in their place, which only who has the key can look up.

Names go out first and the rest is judged again from what is left, so that a checker who has no key reaches the same.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.mint.auditor import METADATA_KEY, Auditor, AuditorContent
from onnxmint.results.audit import AuditResult, ScoreTable
from onnxmint.results.basis import Basis, RuleFacts
from onnxmint.results.facts import Skipped
from onnxmint.results.redaction import RedactionFacts, RedactionKey
from onnxmint.results.registration import Registration, RegistrationFacts
from onnxmint.workflows.deriving import judged_again
from onnxmint.workflows.veiling import Veil, hidden_numbers

TOLD = (
    "Names, folders and classes of images are redacted: what stands for them are pseudonyms (HMAC-SHA256), which only "
    "the owner of the key can look up."
)
Table = TypeVar("Table", ScoreTable, Basis)
_PLACES = ("images", "members", "nonmembers", "forget")  # words of a command that name images
_OF_NAMES = ("subject", "group")  # columns and patterns, which may hold parts of names
_BY_FOLDER = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """An audit without names.

    Attributes:
        result: the audit.
        auditor: the file of its auditor.
        words: of the command.
        facts: for the manifest.
    """

    result: AuditResult
    auditor: bytes
    words: dict[str, object]
    facts: RedactionFacts


def redact(
    result: AuditResult,
    auditor: Auditor,
    words: Mapping[str, object],
    shorter: Mapping[str, object],
    key: RedactionKey,
    *,
    registration: Registration | None = None,
) -> Redacted:
    """Take the names of images out of an audit.

    Args:
        result: the audit, without folders above its places.
        auditor: of it.
        words: of its command, as they were given: places in them are names too.
        shorter: the same without folders, as a run keeps them.
        key: gives pseudonyms.
        registration: that the audit was to keep to, of which a run holds a copy.

    Raises:
        UsageError: the registration names images, and cannot be changed.
        OnnxmintError: the audit does not hold what it can be judged by again.
    """
    basis = result.basis
    if result.rule is None or basis is None or result.version != __version__:
        raise OnnxmintError(
            f"names cannot be taken out of this audit: it was made by onnxmint {result.version}, and this is "
            f"{__version__}; run onnxmint audit again with --redact"
        )
    veil = Veil.of(key, _names(result, auditor), _places(words))
    if registration is not None:
        _require_nameless(registration, veil)
    content = _content(auditor, veil)
    hidden, basis = _without_names(result, basis, content, veil)
    judged = judged_again(hidden, basis, content)
    scores = replace(
        judged.scores,
        label=None if judged.scores.label is None else hidden_numbers(key, judged.scores.label),
        predicted=hidden_numbers(key, judged.scores.predicted),
    )
    return Redacted(
        result=replace(judged, scores=scores),
        auditor=with_content(auditor.model, content),
        words=_words(shorter, veil),
        facts=RedactionFacts(key_sha256=key.sha256, auditor_sha256=hashlib.sha256(auditor.model).hexdigest()),
    )


def without_names(auditor: Auditor, key: RedactionKey) -> Auditor:
    """Return an auditor as a redacted run has it, but for sentences that name places."""
    content = _content(auditor, Veil.of(key, _names_of_known(auditor)))
    return Auditor.of(content, with_content(auditor.model, content), auditor.seconds)


def with_content(model: bytes, content: AuditorContent) -> bytes:
    """Return the file of an auditor with other words beside its graph."""
    import onnx

    proto = onnx.load_model_from_string(model)
    for entry in proto.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = content.to_metadata()[METADATA_KEY]
    found: bytes = proto.SerializeToString(deterministic=True)
    return found


def _content(auditor: Auditor, veil: Veil) -> AuditorContent:
    """Return what an auditor says beside its graph, without names."""
    held = {one.name: getattr(auditor, one.name) for one in fields(AuditorContent)}
    return replace(
        AuditorContent(**held),
        classes=veil.classes(auditor.classes),
        evidence=veil.evidence(auditor.evidence),
        controls=veil.controls(auditor.controls),
        warnings=veil.sentences(auditor.warnings),
    )


def _without_names(result: AuditResult, basis: Basis, content: AuditorContent, veil: Veil) -> tuple[AuditResult, Basis]:
    """Return an audit without names, and what it is judged by again.

    Images stand in the order of their pseudonyms: in that of their names, a list of these would tell which is which.
    """
    asked, paths = result.questioned, veil.paths(result.scores.path)
    order = np.argsort(np.array(paths, np.str_), kind="stable")
    scores = _in_order(replace(result.scores, path=paths), order)
    hidden = replace(
        basis,
        sha256=veil.paths(basis.sha256),
        subject=None if basis.subject is None else veil.named(basis.subject),
    )
    hidden = _in_order(hidden, order)
    hidden = replace(hidden, unit=_by_appearance(hidden.unit))
    return replace(
        result,
        target=replace(result.target, path=veil.sentence(result.target.path)),
        evidence=replace(content.evidence, skipped=veil.skipped(result.evidence.skipped)),
        questioned=replace(asked, skipped=veil.skipped(asked.skipped), unnamed=_counted(asked.unnamed, veil)),
        controls=veil.controls(result.controls),
        scores=scores,
        rule=None if result.rule is None else _rule(result.rule, veil),
        registration=None if result.registration is None else _registered(result.registration, veil),
        warnings=(*veil.sentences(result.warnings), TOLD),
        next_steps=tuple(replace(one, text=veil.sentence(one.text)) for one in result.next_steps),
        class_names=(),
        basis=hidden,
    ), hidden  # fmt: skip


def _in_order(table: Table, order: NDArray[np.int64]) -> Table:
    """Return a table of columns with its rows in an order."""
    columns = {one.name: getattr(table, one.name) for one in fields(table)}
    return replace(table, **{name: _taken(column, order) for name, column in columns.items() if column is not None})


def _taken(column: Any, order: NDArray[np.int64]) -> Any:
    return column[order] if isinstance(column, np.ndarray) else tuple(column[row] for row in order.tolist())


def _by_appearance(unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return units numbered by where they first appear, as their numbers tell the order of names too."""
    _, first, place = np.unique(unit, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    found: NDArray[np.int64] = rank[place]
    return found


def _registered(found: RegistrationFacts, veil: Veil) -> RegistrationFacts:
    return replace(
        found,
        deviations=veil.sentences(found.deviations),
        reason=None if found.reason is None else veil.sentence(found.reason),
    )


def _counted(unnamed: Mapping[str, int], veil: Veil) -> dict[str, int]:
    found = dict[str, int]()
    for reason, count in unnamed.items():
        told = veil.sentence(reason)
        found[told] = found.get(told, 0) + count
    return found


def _rule(rule: RuleFacts, veil: Veil) -> RuleFacts:
    first = rule.subject_first
    return replace(
        rule,
        subject=None if rule.subject is None else _pattern(rule.subject, veil),
        subject_first=None if first is None else veil.key.name(first),
    )


def _pattern(text: str, veil: Veil) -> str:
    """Return a column or pattern, or its pseudonym where it holds a name."""
    return text if text == _BY_FOLDER or veil.sentence(text) == text else veil.key.name(text)


def _words(words: Mapping[str, object], veil: Veil) -> dict[str, object]:
    """Return the words of a command without places of images, and without names in the others."""
    found = dict[str, object]()
    for name, value in words.items():
        if name in _PLACES or name == "subject_first":
            continue
        if name in _OF_NAMES and isinstance(value, str):
            found[name] = _pattern(value, veil)
        elif isinstance(value, str):
            found[name] = veil.sentence(value)
        elif isinstance(value, list):
            found[name] = [veil.sentence(one) if isinstance(one, str) else one for one in value]
        else:
            found[name] = value
    return found


def _names(result: AuditResult, auditor: Auditor) -> Iterator[str]:
    """Yield every name that a run may hold."""
    yield from result.scores.path
    yield from _skipped_names((*result.questioned.skipped, *result.evidence.skipped))
    yield from (name for name in (result.basis and result.basis.subject) or () if name)
    yield from result.class_names
    for control in result.controls:
        yield from () if control.copies is None else control.copies.left_out_images
    if result.rule is not None and result.rule.subject_first is not None:
        yield result.rule.subject_first
    yield from _names_of_known(auditor)


def _names_of_known(auditor: Auditor) -> Iterator[str]:
    yield from _skipped_names(auditor.evidence.skipped)
    for control in auditor.controls:
        yield from () if control.copies is None else control.copies.left_out_images
    if auditor.classes is not None and auditor.classes.order != "numbers":
        yield from auditor.classes.names


def _skipped_names(found: tuple[Skipped, ...]) -> Iterator[str]:
    yield from (one.path for one in found)


def _places(words: Mapping[str, object]) -> Iterator[str]:
    """Yield the places of images that a command names, as they can stand in sentences."""
    folder = words.get(_BY_FOLDER)
    for name in _PLACES:
        value = words.get(name)
        for place in value if isinstance(value, list | tuple) else [value]:
            if isinstance(place, str):
                yield place
                if isinstance(folder, str):
                    yield str(Path(folder) / place)


def _require_nameless(registration: Registration, veil: Veil) -> None:
    """Refuse a registration that names images: who got it before has its hash, so nothing can be taken out of it."""
    for name, word in registration.settings.items():
        told = json.loads(word)
        held = [told] if isinstance(told, str) else told if isinstance(told, list) else []
        if (name == "subject_first" and told is not None) or veil.sentences(map(str, held)) != tuple(map(str, held)):
            raise UsageError(
                f"the registration tells names of images in {name}, and a run holds a copy of it: register without "
                "them, or leave --redact out"
            )
