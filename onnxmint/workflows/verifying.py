"""A check of a run by somebody else, step by step. Read `verify` from top to bottom.

Integrity, authenticity, order and derivation need the folder only: no network, no model, no training.
"""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from onnxmint import __version__
from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.progress import Stage, quiet
from onnxmint.results.facts import now
from onnxmint.results.manifest import NAME, Manifest, canonical
from onnxmint.results.redaction import RedactionKey
from onnxmint.results.registration import NAME as REGISTERED
from onnxmint.results.registration import (
    REGISTRATION,
    Registration,
    RegistrationFacts,
    digest_of,
)
from onnxmint.results.registration import canonical as canonical_registration
from onnxmint.results.verification import Step, StepName, Verification
from onnxmint.settings import DeviceChoice
from onnxmint.workflows.checking_change import derive_change
from onnxmint.workflows.checking_sealed import derive_sealed, look_again_sealed, score_sealed_again
from onnxmint.workflows.deriving import derive
from onnxmint.workflows.differing import Rendered
from onnxmint.workflows.integrity import check_files
from onnxmint.workflows.recomputing import Draw, score_again
from onnxmint.workflows.redaction_keys import fitting_key
from onnxmint.workflows.rehashing import Places, look_again
from onnxmint.workflows.signing import check_signature
from onnxmint.workflows.times import Stamps, late, stamps_of
from onnxmint.writing.regular import regular_bytes

STEPS: tuple[StepName, ...] = ("integrity", "authenticity", "order", "derivation", "inputs")
"""Asked for where nothing else is said; recomputation only with a number of images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """What a check is asked to do.

    Attributes:
        steps: to be done; recomputation is one more where `sample` is given.
        places: where model and images are.
        sample: images to be scored again; None for none.
        seed: of their draw; None draws one.
        device: where the model runs.
        registration: a copy of the registration that the checker got before the run.
        key: public key that the checker trusts.
        retrain: train the auditor again from the known images.
        redaction_key: file of the key to the names of a redacted run.
        tsa: certificates of a time stamping authority that the checker trusts.
    """

    steps: tuple[StepName, ...] = STEPS
    places: Places = field(default_factory=Places)
    sample: int | None = None
    seed: int | None = None
    device: DeviceChoice = "auto"
    registration: Path | None = None
    key: Path | None = None
    tsa: Path | None = None
    retrain: bool = False
    redaction_key: Path | None = None


def verify(
    run: Path, *, checking: Checking | None = None, rendered: Rendered | None = None, stage: Stage = quiet
) -> Verification:
    """Check a run: whether its files are whole, and whether what it says follows from what it rests on.

    Args:
        run: folder of an audit or an evaluation.
        checking: steps, places of the inputs, images to be scored again; the defaults when None.
        rendered: gives what other files must hold, by the audit; None leaves that out.
        stage: told of the progress.

    Raises:
        UsageError: there is no such folder, or the redaction key is of another run.
    """
    asked = checking or Checking()
    if not run.is_dir():
        raise UsageError(f"{run} is no folder: give the folder of a run, which onnxmint audit -o names")
    manifest, integrity = check_files(run)
    redaction = None if manifest is None else manifest.redaction
    key = None if asked.redaction_key is None else fitting_key(asked.redaction_key, redaction)
    found: dict[StepName, Step] = {"integrity": integrity}
    for name in asked.steps:
        if name == "authenticity":
            found[name] = check_signature(run, asked.key)
        elif name == "order":
            found[name] = _order(run, manifest, asked)
        elif name == "derivation":
            found[name] = _derived(run, manifest, rendered, key)
        elif name == "inputs":
            found[name] = _inputs(run, manifest, asked, stage)
    if asked.sample is not None:
        found["recomputation"] = _recomputed(run, manifest, asked, key, stage)
    if asked.retrain:
        found["retraining"] = _retrained(run, manifest, asked, key, stage)
    wanted = [*asked.steps, *(["recomputation"] if asked.sample is not None else []), "retraining"]
    steps = tuple(step for name, step in found.items() if name in wanted)
    return Verification(
        version=__version__,
        created=now(),
        run=str(run),
        manifest_sha256=None if manifest is None else hashlib.sha256(canonical(manifest)).hexdigest(),
        steps=steps,
        verified=all(step.outcome == "passed" for step in steps),
    )


def _order(run: Path, manifest: Manifest | None, asked: Checking) -> Step:
    """Say what was fixed before the scores were computed, by who got the registration before or by an authority."""
    if manifest is None:
        return _unknown("order")
    stamps = stamps_of(run, asked.tsa)
    if stamps.wrong:
        return _disordered(list(stamps.wrong))
    if manifest.registration is None:
        text = "not registered: settings could have been chosen after scores were seen; the time is the own clock's"
        return Step(name="order", outcome="not done", text="; ".join([text, *stamps.told]))
    try:
        before = REGISTRATION.read(regular_bytes(run / REGISTERED), REGISTERED)
        own = None if asked.registration is None else regular_bytes(asked.registration.resolve())
    except (OSError, ValueError, OnnxmintError) as problem:
        return _disordered([str(problem).splitlines()[0]])
    told = manifest.registration
    wrong = list(drift(before, manifest))
    if digest_of(before) != told.sha256:
        wrong.append(f"{REGISTERED} is not the one that the run names")
    if before.created > manifest.created:
        wrong.append(f"registered {before.created}, after the run of {manifest.created}")
    if own is not None and own != canonical_registration(before):
        wrong.append(f"{REGISTERED} is not the file that you hold")
    wrong += late(stamps, manifest.created)
    return _disordered(wrong) if wrong else _ordered(told, stamps, held=own is not None)


def _ordered(told: RegistrationFacts, stamps: Stamps, *, held: bool) -> Step:
    """Return what is said of a run that keeps to its registration, or tells where it does not."""
    kept = f"the run tells: {'; '.join(told.deviations)}" if told.deviations else "the run is as registered"
    said = "; ".join([kept, *stamps.told])
    if held:
        text = f"registered {told.created}, in the file that you hold; {said}"
        return Step(name="order", outcome="passed", text=text)
    if stamps.registered is not None:
        return Step(name="order", outcome="passed", text=said)
    text = (
        f"{said}; cannot check when that was: give the copy that you got before the run (--registration), or the "
        "certificate of the authority that stamped it (--tsa)"
    )
    return Step(name="order", outcome="not done", text=text)


def drift(before: Registration, manifest: Manifest) -> Iterator[str]:
    """Yield what of a run is not as it was registered, and what it does not tell."""
    told = () if manifest.registration is None else manifest.registration.deviations
    names = {line.partition(" ")[0] for line in told}
    redaction = manifest.redaction
    whole = manifest if redaction is None else replace(manifest, auditor_sha256=redaction.auditor_sha256)
    now_is: dict[str, object] = {"target_sha256": manifest.target_sha256, "questioned": manifest.questioned}
    for name in ("auditor_sha256", "members", "nonmembers"):
        if getattr(before, name) is not None and getattr(whole, name) is not None:
            now_is[name] = getattr(whole, name)
    for name, value in now_is.items():
        if value != getattr(before, name) and name not in names:
            yield f"{name} is not as registered, and the run does not tell"
    for name, word in manifest.settings.items():
        if before.settings.get(name, word) != word and name not in names:
            yield f"{name} is {word}, registered was {before.settings[name]}, and the run does not tell"


def _disordered(wrong: Sequence[str]) -> Step:
    return Step(name="order", outcome="failed", text="not as registered", differences=tuple(wrong))


def _derived(run: Path, manifest: Manifest | None, rendered: Rendered | None, key: RedactionKey | None) -> Step:
    if (run / "sealed.json").exists():
        return derive_sealed(run, rendered)
    if (run / "comparison.json").exists():
        return derive_change(run, rendered)
    return derive(run, rendered, redaction=None if manifest is None else manifest.redaction, key=key)


def _inputs(run: Path, manifest: Manifest | None, asked: Checking, stage: Stage) -> Step:
    if manifest is None:
        return _unknown("inputs")
    if manifest.kind == "sealed":
        return look_again_sealed(run, manifest, asked.places)
    return look_again(manifest, asked.places, stage)


def _recomputed(run: Path, manifest: Manifest | None, asked: Checking, key: RedactionKey | None, stage: Stage) -> Step:
    if manifest is None or asked.sample is None:
        return _unknown("recomputation")
    seed = secrets.randbelow(1 << 32) if asked.seed is None else asked.seed
    draw = Draw(sample=asked.sample, seed=seed, device=asked.device, key=key)
    score = score_sealed_again if manifest.kind == "sealed" else score_again
    return score(run, manifest, asked.places, draw, stage)


def _retrained(run: Path, manifest: Manifest | None, asked: Checking, key: RedactionKey | None, stage: Stage) -> Step:
    if manifest is None:
        return _unknown("retraining")
    from onnxmint.workflows.retraining import train_again  # here: all other steps do without what trains

    return train_again(run, manifest, asked.places, asked.device, stage, key=key)


def _unknown(name: StepName) -> Step:
    return Step(name=name, outcome="not done", text=f"cannot check: the run has no {NAME} that can be read")
