"""An audit from its parts: what they recorded is judged as one process would have judged what it saw itself."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from onnxmint.engine.joining import joined
from onnxmint.engine.local import Local
from onnxmint.engine.part_file import Made, PartError, part_name, read_part
from onnxmint.engine.recorded import FromParts
from onnxmint.engine.units import Recorded
from onnxmint.errors import OnnxmintError
from onnxmint.graph.bringing import brought, brought_settings
from onnxmint.images.sources import Place, parse_location
from onnxmint.mint.auditor import Auditor, load_auditor
from onnxmint.places.names import renamed
from onnxmint.places.remote import path_of
from onnxmint.progress import Advance, Stage, quiet
from onnxmint.results.audit import AuditResult
from onnxmint.results.work import Asked, Work
from onnxmint.settings import AuditSettings, DeviceChoice
from onnxmint.workflows.auditing import judge
from onnxmint.workflows.dividing import plan_work, read_work, require_same_work
from onnxmint.workflows.opening import open_with_auditor
from onnxmint.workflows.questioning import scoring

_NAMED = 10  # parts that a message names


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """An audit that was made of parts.

    Attributes:
        result: of the audit.
        auditor: that was asked.
        work: what was divided.
        settings: of the audit.
    """

    result: AuditResult
    auditor: Auditor
    work: Work
    settings: AuditSettings


def merge_parts(
    folder: str | Path,
    *,
    model: str | Path | None = None,
    images: Place | Sequence[Place] | None = None,
    auditor: str | Path | None = None,
    device: DeviceChoice = "auto",
    batch_size: int | None = None,
    stage: Stage = quiet,
) -> Merged:
    """Judge what parts recorded. At most some thousand images are shown again, for controls that look at samples.

    Args:
        folder: of the parts.
        model: where the target is now; None where the parts had it. What is given must be the same file.
        images: where the questioned images are now, the same in the same order; secrets in a URI are nowhere kept,
            so that places which need them are given again.
        auditor: where the auditor is now.
        device: where these are shown.
        batch_size: of these, in one run.
        stage: told of the progress.

    Raises:
        OnnxmintError: parts are missing, damaged or of another audit; or what they were made of is not there, or was
            changed since.
    """
    place = Path(folder)
    work = read_work(place)
    now = _now(work.asked, model, images, auditor)
    _require_there(now, work.asked, place)
    found = load_auditor(Path(now.auditor))
    settings = replace(settings_of_work(work), device=device, batch_size=batch_size)
    with brought(now.model) as here, brought_settings(settings) as settings_here:
        ready = open_with_auditor(here, list(now.images), found, settings_here)
        again = plan_work(ready, settings_here, asked=work.asked, unit=work.unit, images=now.images)
        require_same_work(work, again, place)
        made, recorded = _read(place, work, stage)
        engine = FromParts(recorded, scoring(ready, settings), Local(stage))
        result = renamed(judge(ready, settings, engine, engine.look))
    return Merged(result=_as_made(result, made), auditor=found, work=work, settings=settings)


def _now(
    asked: Asked, model: str | Path | None, images: Place | Sequence[Place] | None, auditor: str | Path | None
) -> Asked:
    """Return where things are now, with what opens them: what was given, else where the parts had them."""
    places = (images,) if isinstance(images, (str, Path)) else images
    return replace(
        asked,
        model=asked.model if model is None else str(model),
        auditor=asked.auditor if auditor is None else str(auditor),
        images=asked.images if not places else tuple(map(str, places)),
    )


def settings_of_work(work: Work) -> AuditSettings:
    """Return the settings of the audit; references by their places."""
    found = {name: json.loads(value) for name, value in work.settings.items() if name != "reference"}
    return AuditSettings(**found, reference=tuple(map(Path, work.asked.reference)))


def _require_there(now: Asked, asked: Asked, folder: Path) -> None:
    """Refuse to begin where the inputs of the parts are not.

    Raises:
        OnnxmintError: naming the first that is missing, and where to run.
    """
    places = [path_of(place) for place in (now.model, now.auditor, *now.reference)]
    for place in [*places, *(parse_location(one).path for one in now.images)]:
        if isinstance(place, Path) and not place.exists():  # a store is asked when it is opened
            raise OnnxmintError(
                f"{place}, of which {folder} holds parts, is not there; they were begun in {asked.folder}: run "
                "onnxmint merge there, or say where it is now, with --model, --images or --auditor"
            )


def _read(folder: Path, work: Work, stage: Stage) -> tuple[list[Made], Recorded]:
    """Return all parts, in the order of the images.

    Raises:
        OnnxmintError: naming those that are missing or unfit, and how to make them.
    """
    made, unfit = list[Made](), dict[int, str]()
    with stage("reading parts", work.images) as advance:
        fit = _fit(folder, work, made, unfit, advance)
        first = next(fit, None)
        recorded = None if first is None else joined(chain([first], fit), work.images)
    if unfit or recorded is None:
        raise OnnxmintError(_words_of_unfit(folder, work, unfit, made))
    return made, recorded


def _fit(folder: Path, work: Work, made: list[Made], unfit: dict[int, str], advance: Advance) -> Iterator[Recorded]:
    """Yield the parts that can be used until one cannot; say how all were made, and why some are unfit."""
    identity = work.identity
    for unit, what in enumerate(work.units):
        why: str | None = ""
        try:
            how, part = read_part(folder / part_name(unit))
            made.append(how)
            why = _unfit(how, part, work, unit, identity)
        except FileNotFoundError:
            pass
        except PartError as problem:
            why = str(problem)
        if why is not None:
            unfit[unit] = why
        elif not unfit:
            yield part
        advance(what.images)


def _unfit(how: Made, part: Recorded, work: Work, unit: int, identity: str) -> str | None:
    """Return why a part cannot be used, None where it can."""
    if how.work != identity:
        return f"is of another audit (work {how.work[:12]}..., this one is {identity[:12]}...)"
    if how.unit != unit or part.index.tolist() != list(work.units[unit].span):
        return f"holds other images than unit {unit}"
    return None


def _words_of_unfit(folder: Path, work: Work, unfit: dict[int, str], made: Sequence[Made]) -> str:
    """Say in one line which parts are missing, and how to make them."""
    wrong = [f"{part_name(unit)} {why}" for unit, why in unfit.items() if why]
    missing = [unit for unit, why in unfit.items() if not why]
    said = [f"{len(missing):,} of {len(work.units):,} parts are not there ({_listed(map(part_name, missing))})"]
    said = [*(said if missing else ()), *wrong[:_NAMED], *([f"{len(wrong) - _NAMED:,} more"] * (len(wrong) > _NAMED))]
    shares = max(Counter(how.shares for how in made).items(), key=lambda one: one[1], default=(1, 0))[0]
    numbers = sorted({unit % shares + 1 for unit in unfit})
    again = _listed(f"{number}/{shares}" for number in numbers)
    asked = work.asked
    return (
        f"{folder}: {'; '.join(said)}. Make them with the command that was used before, onnxmint audit {asked.model} "
        f"{' '.join(asked.images)} --auditor {asked.auditor} ..., and --part {again}; what is there is not made again"
    )


def _listed(names: Iterable[str]) -> str:
    """Return the first of some names in words."""
    every = list(names)
    more = f" and {len(every) - _NAMED:,} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more


def _as_made(result: AuditResult, made: Sequence[Made]) -> AuditResult:
    """Return a result that says on which device the parts were made, and on how many kinds of hosts."""
    kinds = sorted({(how.device, how.provider, how.reason) for how in made})
    hosts = sorted({(how.host, how.provider) for how in made})
    if len(kinds) == 1:
        device, provider, reason = kinds[0]
        target = replace(result.target, device=device, provider=provider, device_reason=reason)
        result = replace(result, target=target)
    if len(hosts) == 1:
        return result
    listed = _listed(f"{host} ({provider})" for host, provider in hosts)
    return replace(
        result,
        warnings=(
            *result.warnings,
            f"The parts were made on {len(hosts)} kinds of hosts: {listed}. Scores of different processors can differ "
            "in the fifth decimal.",
        ),
    )
