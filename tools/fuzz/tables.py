"""The results as Markdown: README.md is made from results/*.json and nothing else.

python tools/fuzz/tables.py
"""

import json
from pathlib import Path
from typing import Any

from judging import LETTERS, MEGABYTES, SECONDS, VERDICTS

HERE = Path(__file__).parent
_KINDS = {
    "models": 10_000, "images": 25_000, "sources": 2_000, "auditors": 500, "options": 300, "runs": 500, "kills": 200,
}  # fmt: skip
"""In this order, with the number that is wanted of each."""

_HEAD = f"""# Hostile inputs and kills

Made by `python tools/fuzz/tables.py` from `results/`; do not edit. Whatever a stranger's file holds, the answer is a
result or one clean line; whenever a command is killed, what stands under a final name is whole, and the next command
leaves nothing behind. Every case is made from kind, seed and number, so that

    python tools/fuzz/fuzz.py --kind models --seed 1 --only 4711

makes it again and leaves its folder to look at. Counts below come from

    python tools/fuzz/fuzz.py --kind KIND --count COUNT --seed SEED --results tools/fuzz/results/KIND.json

which can be stopped and goes on where it was (`--again` begins anew). `--minutes 2` runs all kinds in their shares and
fails when anything is found: CI does that. Cases run in forked workers, {{batch}} in each; the number of a case is told
before it begins, so that the one that ends a worker is known. What takes too long is tried once more alone.

## Verdicts

| verdict | when |
| --- | --- |
| `fine` | a result, or an error of ours in one line |
| `crash` | the process died by a signal (the process in which models are tried first may: it is there for that) |
| `defect` | another exception; a message of several lines, with a name over {LETTERS} letters, or that asks to \
report a foreign file's fault; a library writing to the terminal by itself |
| `hang` | over {SECONDS:g} s of work of the process and of those that it started, or as long asleep |
| `memory` | over {MEGABYTES:,} MB at most, our process and the one for trials together |
| `outside` | a file outside the case's folder is written, or read though nothing named it; seen by Python's audit \
hook and by files beside the folder, whose time of last access tells of libraries in C++ too |
| `control` | a control or direction character in an output or a page |
| `left` | a temporary file or folder stays |
| `wrong` | a result that differs from that of the unchanged input where it must be equal; an older result lost |

## Counts
"""

_ABOUT = {
    "models": """### models

Seeds: the fixtures of `tests/models` in one file and handwritten graphs. Two thirds are changed so that they mostly
stay valid (operators put in, If, Loop, functions, quantisation, random operators, other sizes, outputs, weights, names,
versions; `edits.py`) with shapes inferred anew; the others are damaged without care (`damage.py`) or have bytes
flipped. Through `layers`, `expose-layer` (whose output is read again) and `check`. Harmless changes (names of nodes,
texts, order of weights, declared shapes) must leave the list of layers as it is.
""",
    "images": """### images

Formats, modes and options that Pillow writes, and bombs; bytes, sizes and ends changed, checksums of PNG made right
again. Each is decoded under one of 48 preprocessings and looked at as the controls do. Pixels must be the same with
comments and trailing bytes added.
""",
    "sources": """### sources and declarations

Folders (links, pipes, sparse files, odd names), CSV, Parquet, tar, labels of any type, through `open_source`, `check`
and `audit`; preprocessing in TOML, Hugging Face's and timm's JSON and in metadata, class names. The same images in two
forms must have the same pixels and labels, the same declaration laid out otherwise must say the same.
""",
    "auditors": """### auditors

Auditors of the bundled target: a fact, a packed array, the graph or bytes changed; `audit` on 12 images, and `report`
on what comes of it. Facts laid out otherwise must give the same scores.
""",
    "options": """### options

`audit`, `train`, `evaluate`, `compare` and `observe` on 150 + 150 known and 48 questioned images of the bundled data,
each with a random set of options, some of which do not fit the images or each other. What a command wrote must pass
`verify`, and `report` must render it.
""",
    "runs": """### run folders

A value of `report.json`, a column of `scores.parquet`, `run.toml` or bytes changed, the hashes mostly made right again;
links and folders in the place of files. JSON laid out otherwise must give the same page.
""",
    "kills": """### kills

`kill -9` of `audit`, `train`, `evaluate`, `report`, `expose-layer` and `check`, at a random moment or just before a
chosen change of a file, into nothing or over an older result, also of one of two that run at once, into one place or
beside each other. What stands there then must be whole and give the numbers of an undisturbed run, an older result must
not be lost, the command must succeed when it is run again, and nothing but its result must be there.
""",
}


def _row(found: dict[str, Any]) -> str:
    verdicts = found["verdicts"]
    past = found["marks"].get("past the checker")
    cells = [
        found["kind"],
        f"{found['cases']:,} of {_KINDS[found['kind']]:,}",
        str(found["seed"]),
        "" if past is None else f"{past:,} ({past / max(found['cases'], 1):.0%})",
        *(f"{verdicts[verdict]:,}" for verdict in VERDICTS),
        f"{found['peak']:,} MB",
        f"{found['slowest']:.1f} s",
        f"{found['seconds'] / 60:.0f} min",
        ", ".join(f"{code}: {number:,}" for code, number in found["package"].items()),
    ]
    return "| " + " | ".join(cells) + " |"


def _table(every: list[dict[str, Any]]) -> str:
    heads = ["kind", "cases of those wanted", "seed", "past the ONNX checker", *VERDICTS]
    heads += ["most memory", "slowest", "took", "cases by commit of the package"]
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads), *map(_row, every)]) + "\n"


def _details(found: dict[str, Any]) -> str:
    marks = ", ".join(f"{name} {count:,}" for name, count in found["marks"].items())
    answers = ", ".join(f"`{what}` {count:,}" for what, count in list(found["answers"].items())[:12])
    lines = [_ABOUT[found["kind"]], f"Among them: {marks or 'none'}.", f"Answers, by where they came from: {answers}."]
    if found["failures"]:
        lines.append("Failures, the first of each kind:\n")
        lines += [
            f"- {one['cases']} `{one['verdict']}`: {one['what']} (case {one['first']})" for one in found["failures"]
        ]
    machine = found["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return "\n".join(lines) + f"\n\n{machine['system']}, Python {machine['python']}, {packages}.\n"


def _parts(found: dict[str, Any]) -> str:
    """Return what became of processes that share an audit."""
    kills, bad = found["kills"], ("rows_lost", "rows_doubled", "parts_touched", "parts_broken", "left_over")
    counts = ", ".join(f"{found[name]:,} {name.replace('_', ' ')}" for name in bad)
    return f"""## Audits in parts

`python tools/fuzz/kill_parts.py AUDITOR` (seed {found["seed"]}): {sum(kills.values()):,} processes ended by `kill -9`
in {found["rounds"]:,} audits, {kills["part"]:,} that make a part and {kills["merge"]:,} that merge, of all
{found["inside_a_write"]:,} just before they change a file. At the end of each audit two processes at once make what is
missing. {counts}, {found["results_that_differ"]:,} results that differ from that of one process.
"""


def _ray(found: dict[str, Any]) -> str:
    """Return what became of audits on a Ray cluster."""
    kills, bad = found["kills"], ("rows_lost", "rows_doubled", "parts_touched", "parts_broken", "left_over")
    counts = ", ".join(f"{found[name]:,} {name.replace('_', ' ')}" for name in bad)
    kinds = ", ".join(f"{count:,} {name}s" for name, count in kills.items())
    return f"""## Audits on a Ray cluster

`PYTHONPATH=. python tools/fuzz/kill_ray.py AUDITOR` (seed {found["seed"]}): {sum(kills.values()):,} times `kill -9` in
{found["rounds"]:,} audits ({found["commands"]:,} commands) on three nodes of one machine: {kinds} (a driver is what
joined the cluster, a merge the command while it merges); {found["inside_a_write"]:,} of the workers while a part was
just being written. At the end of each audit the same command runs in peace. {counts},
{found["results_that_differ"]:,} results that differ from that of one process, {found["without_a_line"]:,} commands that
lost the cluster without saying how to go on.
"""


def main() -> None:
    files = [HERE / "results" / f"{kind}.json" for kind in _KINDS]
    every = [json.loads(file.read_text()) for file in files if file.exists()]
    killed = HERE / "results" / "kill_parts.json"
    parts = [_HEAD.replace("{batch}", "100"), _table(every), *map(_details, every)]
    parts += [_parts(json.loads(killed.read_text()))] if killed.exists() else []
    on_ray = HERE / "results" / "kill_ray.json"
    parts += [_ray(json.loads(on_ray.read_text()))] if on_ray.exists() else []
    (HERE / "README.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
