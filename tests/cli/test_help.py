"""Help that is Markdown: every topic renders, reads as plain text, and its examples print what stands there."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from onnxmint.cli.grouped import GROUPS
from onnxmint.cli.help import TOPICS, read
from onnxmint.cli.main import COMMANDS, run
from tests.cli.conftest import Run
from tests.conftest import DEMO, ROOT

BLOCK = re.compile(r"(?P<slow><!-- slow -->\s+)?```console\n(?P<text>.*?)```", re.DOTALL)
WIDEST = 120  # letters of a line that is no table and no message


def _examples() -> Iterator[object]:
    for topic in TOPICS:
        for number, found in enumerate(BLOCK.finditer(read(topic))):
            marks = [pytest.mark.slow] if found["slow"] else []
            yield pytest.param(found["text"], id=f"{topic}-{number}", marks=marks)


@pytest.fixture
def things(tmp_path: Path) -> Path:
    """What the examples are about: a model, and sixty images of each kind in class folders."""
    (tmp_path / "model.onnx").write_bytes((DEMO / "target.onnx").read_bytes())
    for side, name in (("members", "train"), ("nonmembers", "heldout"), ("questioned", "suspects")):
        for number, row in enumerate(pq.read_table(DEMO / f"{side}.parquet").slice(0, 60).to_pylist()):
            folder = tmp_path / "images" / name / str(row["label"])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.png").write_bytes(row["image"]["bytes"])
    for name in ("train", "val", "test", "questioned"):
        folder = tmp_path / "ambiguous" / name
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(row["image"]["bytes"])
    return tmp_path


@pytest.mark.parametrize("text", list(_examples()))
def test_an_example_prints_what_the_help_says(things: Path, call: Run, text: str) -> None:
    for example in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = example.partition("\n")
        command, asks, _ = command.partition("; echo $?")
        code, out, err = call(*shlex.split(command)[1:])
        printed = f"{err}{out}{code}\n" if asks else err + out
        assert re.fullmatch(_pattern(expected), _squeezed(printed)), printed


def _squeezed(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines() if line.strip())


def _pattern(expected: str) -> str:
    """Return what matches the expected text; a line of three dots stands for any lines."""
    lines = _squeezed(expected).splitlines()
    return "".join("(?:.*\n)*" if line == "..." else f"{re.escape(line)}\n" for line in lines)


@pytest.mark.slow
def test_the_readme_shows_what_the_demo_prints_but_for_digits(call: Run) -> None:
    (shown,) = re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    if said := os.environ.get("DEMO_SAID"):  # of a demo that was run before
        out = Path(said).read_text("utf-8")
    else:
        code, out, _ = call("demo", "-q", "-o", "run")
        assert code == 0
    lines = _squeezed(re.sub(r"\d+", "#", out)).splitlines()
    for line in _squeezed(re.sub(r"\d+", "#", shown)).splitlines():
        assert line == "..." or line in lines, line


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_reads_well_rendered_and_plain(topic: str, call: Run) -> None:
    text = read(topic)
    assert text.startswith("# ")
    code, out, err = call("help", topic)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert text.splitlines()[0].removeprefix("# ").split()[0] in out
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert all(len(line) <= WIDEST for line in outside.splitlines() if not line.startswith("|"))


def test_every_topic_is_listed_and_every_file_is_a_topic(call: Run) -> None:
    code, out, _ = call("help")
    assert code == 0
    assert all(f"  {name} " in out for name in TOPICS)
    assert {path.stem for path in (ROOT / "onnxmint" / "help").glob("*.md")} == set(TOPICS)
    assert not set(TOPICS) & set(COMMANDS)


def test_help_takes_commands_and_several_words_and_refuses_the_rest(call: Run) -> None:
    assert call("help", "plan")[1].startswith("Usage: onnxmint plan [OPTIONS]")
    assert "Exit codes" in call("help", "exit", "codes")[1]
    code, _, err = call("help", "nonsense")
    assert code == 2
    assert "no help on 'nonsense'; the topics: sources," in err


def test_what_topics_name_exists() -> None:
    for topic in TOPICS:
        text = read(topic)
        for path in re.findall(r"`((?:tools|examples|tests)/[\w/.]+)", text):
            assert (ROOT / path).exists(), (topic, path)
        for name in re.findall(r"`onnxmint ([a-z-]+)", text):
            assert name in COMMANDS, (topic, name)


@pytest.mark.parametrize("command", ["audit", "train", "evaluate", "references"])
def test_options_stand_in_groups_and_the_statisticians_last(command: str, call: Run) -> None:
    out = call(command, "--help")[1]
    headings = [line.rstrip(":") for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    named = [heading for heading, _ in GROUPS]
    assert headings == [name for name in [*named[:5], "Further options", *named[5:]] if name in headings]
    assert headings[0] == "Known images"
    assert "Further options" not in headings


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str, call: Run) -> None:
    code, out, _ = call("completion", shell)
    assert code == 0
    assert out.startswith("# ")
    assert "_ONNXMINT_COMPLETE" in out


def test_the_version_has_a_short_option(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["-V"]) == 0
    assert capfd.readouterr().out.startswith("onnxmint, version ")
