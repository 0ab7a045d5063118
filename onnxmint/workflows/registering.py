"""An audit fixed before anything is scored, so that nobody can have chosen its settings by what they give."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from onnxmint import __version__
from onnxmint.errors import UsageError
from onnxmint.graph.bringing import with_model_here
from onnxmint.graph.load import load_target
from onnxmint.images.sources import Place
from onnxmint.methods.references import file_digest
from onnxmint.mint.auditor import Auditor
from onnxmint.progress import Stage, quiet
from onnxmint.results.facts import now
from onnxmint.results.listed import ListFacts
from onnxmint.results.manifest import as_json
from onnxmint.results.registration import Registration, RegistrationFacts, digest_of
from onnxmint.settings import AuditSettings, ImageSettings
from onnxmint.workflows.opening import Known
from onnxmint.workflows.rehashing import hashed

_FREE = ("device", "batch_size")  # where and how fast, not what
_BY_CONTENT = ("reference",)
_WHEN = ("version", "created")
_SHOWN = 80  # letters of a value


@with_model_here
def register(
    model: str | Path,
    images: Place | Sequence[Place],
    known: Auditor | Known,
    *,
    settings: AuditSettings | None = None,
    stage: Stage = quiet,
) -> Registration:
    """Fix an audit that is to be made: its settings, and every input by its hash. Nothing is shown to the model.

    Args:
        model: the target classifier, an ONNX file.
        images: the questioned images, in one place or several.
        known: the auditor, or known images to train one on.
        settings: of the audit; the defaults when None.
        stage: told of the progress.

    Raises:
        OnnxmintError: a file cannot be read.
    """
    settings = settings or AuditSettings()
    trained = isinstance(known, Known)
    answer = known.training.answer if isinstance(known, Known) else known.method.answer
    training = known.training if isinstance(known, Known) else None
    places = (known.members, known.nonmembers) if isinstance(known, Known) else (None, None)
    members, nonmembers = (
        None if place is None else _listed((place,), f"known {words}", stage)
        for place, words in zip(places, ("members", "non-members"), strict=True)
    )
    given = images if isinstance(images, Sequence) and not isinstance(images, str) else (images,)
    given_references = settings.reference if training is None else training.reference
    return Registration(
        version=__version__,
        created=now(),
        target_sha256=load_target(model, answer=answer).sha256,
        auditor_sha256=None if trained else hashlib.sha256(known.model).hexdigest(),  # type: ignore[union-attr]
        members=members,
        nonmembers=nonmembers,
        questioned=_listed(given, "questioned images", stage),
        settings=_settings(settings, "")
        | ({} if training is None else _settings(training, "training."))
        | as_json({"reference": sorted(file_digest(path) for path in given_references)}),
    )


def keep_to(registered: Registration, asked: Registration, *, deviate: str | None = None) -> RegistrationFacts:
    """Return how an audit keeps to what was registered.

    Args:
        registered: before.
        asked: the audit that is to be made, registered now.
        deviate: why it is another; None where it must not be.

    Raises:
        UsageError: it is another, and nobody says why; or a reason is given for nothing.
    """
    found = tuple(deviations(registered, asked))
    if found and not (deviate or "").strip():
        raise UsageError(
            f"this is not the audit that was registered on {registered.created}: {'; '.join(found)}. Make that audit, "
            'or say why another one with --deviate "reason", which the report will tell'
        )
    if deviate is not None and not found:
        raise UsageError("--deviate gives a reason for another audit than the registered one, but this is that: "
                         "leave it out")  # fmt: skip
    return RegistrationFacts(sha256=digest_of(registered), created=registered.created, deviations=found, reason=deviate)


def deviations(registered: Registration, asked: Registration) -> Iterator[str]:
    """Yield what of an audit is not as it was registered, with both values."""
    for field in fields(Registration):
        before, now_is = getattr(registered, field.name), getattr(asked, field.name)
        if field.name == "settings":
            for name in sorted(before.keys() | now_is.keys()):
                if before.get(name) != now_is.get(name):
                    yield f"{name} is {_shown(now_is.get(name))}, registered was {_shown(before.get(name))}"
        elif field.name not in _WHEN and before != now_is:
            yield f"{field.name} is {_shown(now_is)}, registered was {_shown(before)}"


def _shown(value: object) -> str:
    if isinstance(value, ListFacts):
        return f"{value.images:,} files with hash {value.sha256[:16]}..."
    words = "nothing" if value is None else str(value)
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."


def _settings(settings: ImageSettings, prefix: str) -> dict[str, str]:
    left = (*_FREE, *_BY_CONTENT)
    return as_json(
        {f"{prefix}{one.name}": getattr(settings, one.name) for one in fields(settings) if one.name not in left}
    )


def _listed(places: Sequence[Place], words: str, stage: Stage) -> ListFacts:
    return hashed([str(place) for place in places], stage, words)
