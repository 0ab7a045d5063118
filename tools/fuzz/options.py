"""Options that come together as nobody tried them: commands on a few of the bundled images, each with a random set."""

import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from making import made_auditor
from seeds import DEMO
from trial import Trial

Words = list[str]
_KNOWN, _ASKED = 150, 48  # images of each side; few, as every case fits and judges
_VERIFIED = (0, 5)  # every step that was done passed; 5 says that some could not be done
_TARGET = str(DEMO / "target.onnx")


class Options:
    """Random sets of options."""

    name, share = "options", 0.1

    def __init__(self) -> None:
        """Know no files yet."""
        self._place: dict[str, str] = {}

    def prepare(self, work: Path) -> None:
        """Write the bundled images with columns to group them by, and train an auditor, unless there is one."""
        folder = work / "made" / "options"
        folder.mkdir(parents=True, exist_ok=True)
        for name, count in (("members", _KNOWN), ("nonmembers", _KNOWN), ("questioned", _ASKED)):
            table = pq.read_table(DEMO / f"{name}.parquet").slice(0, count)
            for column, each in (("track", 3), ("owner", 16)):
                table = table.append_column(column, pa.array([f"{name}{row // each}" for row in range(count)]))
            pq.write_table(table, folder / f"{name}.parquet")
            self._place[name] = str(folder / f"{name}.parquet")
        self._place["auditor"] = str(made_auditor(work, "phi"))

    def case(self, trial: Trial, rng: random.Random) -> None:
        """Run one command with what is drawn, and check what it wrote as its reader would."""
        trial.may_read = (DEMO, *(Path(place).parent for place in self._place.values()))
        command = rng.choice(tuple(_COMMANDS))
        trial.marks.append(command)
        run = trial.folder / "run"
        with trial.unhurried():
            said = trial.command(command, *_COMMANDS[command](self._place, rng), "--device", "cpu", "-q", "-o", run)
            if not said.done or command in ("train", "observe"):
                trial.marks += ["done"] * said.done
                return
            trial.marks.append("done")
            checked = trial.command("verify", run, "-q")
        if checked.code not in _VERIFIED:
            trial.found("wrong", f"{command}: its run does not verify", (checked.err or checked.out)[:300])
        if command == "audit" and not (said := trial.command("report", run)).done:
            trial.found("wrong", "an audit's own run is refused", said.err[:300])


def _some(rng: random.Random, table: tuple[tuple[float, Callable[[random.Random], Words]], ...]) -> Words:
    """Return the words of the rows that are drawn, each with its own probability."""
    return [word for chance, words in table if rng.random() < chance for word in words(rng)]


def _of(*values: object) -> Callable[[random.Random], Words]:
    """Return a function that draws a value behind an option: `_of("--views", 2, 14)`."""
    return lambda rng: [str(values[0]), *([str(rng.choice(values[1:]))] if values[1:] else [])]


_DATA = (
    (0.3, _of("--group", "track", "track", "owner", "nothing")),
    (0.2, _of("--no-labels")),
    (0.2, _of("--preprocess", "0-1", "0-1", "-1-1")),
    (0.2, _of("--batch-size", 1, 7, 64)),
)
_FITTED = (
    (0.25, _of("--limit", 1, 20, 90, 400)),
    (0.5, _of("--module", "auto", "views", "phi", "gap", "cnn", "vanilla")),
    (0.15, _of("--layer", "auto", "1", "logits", "1,2", "nowhere")),
    (0.2, _of("--folds", 2, 3, 21)),
    (0.6, _of("--no-controls")),
    (0.1, _of("--augmentation", "crop4", "mirror", "crop8%+mirror")),
    (0.1, lambda _: ["--reference", _TARGET]),
    (0.1, _of("--reference", "auto")),
    (0.3, _of("--seed", 1, 7)),
)
_JUDGED = (
    (0.15, _of("--sample", 1, 10, 40, 500)),
    (0.15, _of("--sequential")),
    (0.2, _of("--subject", "owner", "track", "nothing")),
    (0.05, _of("--subject-first", "questioned1", "nobody")),
    (0.2, _of("--alpha", 0.5, 0.2, 0.001)),
    (0.1, _of("--relevant-share", 1, 0.1, 0.001)),
    (0.1, _of("--prior", 0.01, 0.9)),
    (0.1, _of("--fdr", "storey")),
    (0.15, _of("--p-values", "smoothed")),
    (0.15, _of("--guarantee", "average")),
    (0.1, _of("--per-class")),
    (0.1, _of("--time", "10s", "5m")),
    (0.1, _of("--thumbnails")),
    (0.1, _of("--paths")),
    (0.15, _of("--redact")),
    (0.2, _of("--language", "de", "fr", "es")),
    (0.05, _of("--note", "a \x1b[31m note")),
)


def _views(rng: random.Random) -> Words:
    return ["--views", rng.choice(["2", "2", "2", "14"])]


def _sides(place: dict[str, str], rng: random.Random) -> Words:
    """Return known images: of both sides, now and then of one, too few, or the same.

    Never members alone: that ends in several lines, the ways on, which `tests/cli` reads.
    """
    how = rng.random()
    members, nonmembers = place["members"], place["nonmembers"]
    if how < 0.15:
        return ["--nonmembers", nonmembers]
    if how < 0.3:
        few = f"?rows=0:{rng.choice([1, 3, 25, 60])}"
        return ["--members", members + few, "--nonmembers", nonmembers + few * (rng.random() < 0.5)]
    if how < 0.33:
        return ["--members", members, "--nonmembers", members]
    return ["--members", members, "--nonmembers", nonmembers]


def _audit(place: dict[str, str], rng: random.Random) -> Words:
    known = ["--auditor", place["auditor"]] if rng.random() < 0.25 else [*_sides(place, rng), *_views(rng)]
    asked = place["questioned"] if rng.random() < 0.85 else f"{place['questioned']}?rows=0:{rng.choice([1, 2, 9])}"
    fitted = _some(rng, _FITTED) if "--auditor" not in known or rng.random() < 0.2 else []
    return [_TARGET, asked, "--no-record", *known, *_some(rng, _DATA), *fitted, *_some(rng, _JUDGED)]


def _train(place: dict[str, str], rng: random.Random) -> Words:
    return [_TARGET, *_sides(place, rng), *_views(rng), *_some(rng, _DATA), *_some(rng, _FITTED)]


def _evaluate(place: dict[str, str], rng: random.Random) -> Words:
    own = (
        (0.5, _of("--modules", "phi", "phi,views", "gap", "cnn", "none", "vanilla,phi")),
        (0.2, _of("--layers", "1", "1,2", "logits", "nowhere")),
        (0.3, _of("--repeats", 1, 2)),
        (0.2, _of("--epsilon")),
        (0.2, _of("--delta", 0, 1e-5)),
        (0.1, _of("--drawn-at-random")),
        (0.2, _of("--limit", 20, 90)),
        (0.2, _of("--fail-above", "auc=0.6", "auc=2", "tpr@0.01=0.1", "share=1")),
    )
    return [_TARGET, *_sides(place, rng), *_views(rng), *_some(rng, _DATA), *_some(rng, own)]


def _compare(place: dict[str, str], rng: random.Random) -> Words:
    own = (
        (0.2, lambda _: ["--forget", place["questioned"]]),
        (0.3, _of("--signal", "phi", "loss", "confidence", "nothing")),
        (0.2, _of("--fail-if-more", "auc", "auc=0.1", "share=1")),
        (0.2, _of("--limit", 1, 20, 90)),
    )
    return [_TARGET, _TARGET, *_sides(place, rng), *_views(rng), *_some(rng, _DATA), *_some(rng, own)]


def _observe(place: dict[str, str], rng: random.Random) -> Words:
    own = ((0.3, _of("--no-twin")), (0.5, _of("--layers", "none", "1", "1,2", "nowhere")))
    return [_TARGET, place[rng.choice(("members", "questioned"))], *_views(rng), *_some(rng, _DATA), *_some(rng, own)]


_COMMANDS: dict[str, Callable[[dict[str, str], random.Random], Words]] = {
    "audit": _audit,
    "train": _train,
    "evaluate": _evaluate,
    "compare": _compare,
    "observe": _observe,
}
