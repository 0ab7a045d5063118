"""The onnxmint command: finds the sub-command, and turns our errors into one line and an exit code."""

import contextlib
import difflib
import importlib
import re
import signal
import sys
from typing import Any, NoReturn

import click

from onnxmint import __version__
from onnxmint.cli.process import Stopped, broken_output, of_the_system, set_up
from onnxmint.errors import OnnxmintError
from onnxmint.report.names import shortened, visible
from onnxmint.writing.leftovers import clear_temporary

_LONG_NAME = re.compile(r"""(?<!\S)'[^']{201,}'|(?<!\S)"[^"]{201,}"|\S{201,}""")  # in quotes, or one word
_LONGEST = 2000  # letters of a message

# In the order of use. A command's module is imported only when it is called: --help must stay quick.
COMMANDS = {
    "demo": ("onnxmint.cli.demo", "demo_command", "Run a whole audit on bundled data, offline."),
    "layers": ("onnxmint.cli.layers", "layers_command", "List the layers of a model that can be exposed."),
    "check": ("onnxmint.cli.check", "check_command", "Try the known preprocessings on a few images and rank them."),
    "expose-layer": ("onnxmint.cli.expose", "expose_command", "Write a model that gives out a layer's activations."),
    "plan": ("onnxmint.cli.plan", "plan_command", "Say how many images an audit needs."),
    "train": ("onnxmint.cli.train", "train_command", "Train an auditor of a model on known members and non-members."),
    "audit": ("onnxmint.cli.audit", "audit_command", "Say which images a model was trained on, with error rates."),
    "merge": ("onnxmint.cli.merge", "merge_command", "Make the report of an audit that was made in parts."),
    "evaluate": ("onnxmint.cli.evaluate", "evaluate_command", "Say how much a model gives away; compare all methods."),
    "references": ("onnxmint.cli.references", "references_command", "Make reference models for LiRA, RMIA, relative."),
    "compare": ("onnxmint.cli.compare", "compare_command", "Say what a second model gives away more or less."),
    "observe": ("onnxmint.cli.observe", "observe_command", "Give somebody who audits a model its answers, not it."),
    "seal": ("onnxmint.cli.seal", "seal_command", "Prepare pictures so that their use can be proved later."),
    "register": ("onnxmint.cli.register", "register_command", "Fix an audit before anything is scored."),
    "verify": ("onnxmint.cli.verify", "verify_command", "Check a finished run, as somebody who did not make it."),
    "sign": ("onnxmint.cli.sign", "sign_command", "Sign a finished run."),
    "redact": ("onnxmint.cli.redact", "redact_command", "Write a finished audit again without names of images."),
    "lookup": ("onnxmint.cli.lookup", "lookup_command", "Say what a redacted audit found of an image."),
    "convert": ("onnxmint.cli.convert", "convert_command", "Write a finished audit as JUnit, SARIF, Markdown, ..."),
    "page": ("onnxmint.cli.browser", "page_command", "Make a page that judges images in a browser."),
    "report": ("onnxmint.cli.report", "report_command", "Render the report of a finished audit again."),
    "help": ("onnxmint.cli.help", "help_command", "Explain a topic: preprocessing, sources, verdicts, ..."),
    "completion": ("onnxmint.cli.completion", "completion_command", "Print what makes a shell complete commands."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, None when there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for; one that does not exist is answered with the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as problem:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{problem.message} Did you mean {near[0]}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: onnxmint demo",
)
@click.option("--debug", is_flag=True, help="Show the traceback of a defect.")
@click.version_option(__version__, "-V", "--version", prog_name="onnxmint")
def cli(debug: bool) -> None:
    """Ask an ONNX image classifier which images it was trained on."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code.

    0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 or 129 ended by SIGTERM or SIGHUP.
    """
    words = sys.argv[1:] if arguments is None else arguments
    set_up(debug="--debug" in words)
    sys.exit(run(words))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one line on stderr."""
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    clear_temporary()
    try:
        outcome: Any = cli.main(
            args=[word for word in words if word != "--debug"], prog_name="onnxmint", standalone_mode=False
        )
    except click.ClickException as problem:
        return _explain_usage(problem)
    except click.Abort as problem:  # click ends the line in which a terminal shows ^C
        return _stopped(problem.__cause__ or problem)
    except KeyboardInterrupt as problem:
        return _stopped(problem)
    except Exception as problem:
        broken = broken_output(problem)
        if broken is None and debug and not isinstance(problem, OnnxmintError):
            raise
        return explain(problem) if broken is None else _no_output(broken)
    broken = broken_output()
    if broken is not None:
        return _no_output(broken)
    return outcome if isinstance(outcome, int) else 0


def explain(problem: Exception) -> int:
    """Print an error as one line and return its exit code; an unforeseen one asks to be reported."""
    if isinstance(problem, OnnxmintError):
        _say(f"Error: {one_line(_with_notes(problem))}")
        return problem.exit_code
    if isinstance(problem, ModuleNotFoundError) and problem.name and not problem.name.startswith("onnxmint"):
        name = problem.name.split(".")[0]
        _say(f"Error: this needs {name}, which is not installed; install onnxmint again, with what it depends on")
        return 1
    refused = of_the_system(problem)
    if refused is not None:
        _say(f"Error: {one_line('; '.join([refused, *_notes(problem)]))}")
        return 1
    kind = type(problem).__name__
    text = (
        f"unexpected {kind}: {one_line(_with_notes(problem))}. This is a defect: run again with --debug and report it."
    )
    _say(f"Error: {text}")
    return 1


def one_line(text: str) -> str:
    """Fold a message into one printable line of bounded length; names from files may hold anything."""
    folded = visible(" ".join(text.split()))
    return shortened(_LONG_NAME.sub(lambda name: shortened(name[0]), folded), _LONGEST)


def _with_notes(problem: BaseException) -> str:
    return "; ".join([str(problem), *_notes(problem)])


def _notes(problem: BaseException) -> list[str]:
    return [one_line(note) for note in getattr(problem, "__notes__", [])]


def _explain_usage(problem: click.ClickException) -> int:
    """Print what click has to say, which holds words of the user: file names too."""
    context = getattr(problem, "ctx", None)
    if context is not None:
        _say(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n")
    _say(f"Error: {one_line(problem.format_message())}")
    return problem.exit_code


def _stopped(problem: BaseException) -> int:
    """Say that the work was stopped, and where what was kept is; return the exit code that shells give a signal."""
    number = problem.number if isinstance(problem, Stopped) else signal.SIGINT
    who = "the user" if number == signal.SIGINT else signal.Signals(number).name
    _say("; ".join([f"Stopped by {who}", "nothing half-written was left behind", *_notes(problem)]) + ".")
    return 128 + number


def _no_output(problem: OSError) -> int:
    """Return the exit code for an output that nobody takes; that a reader has left is told to nobody."""
    if not isinstance(problem, BrokenPipeError):
        _say(f"Error: cannot write the output: {problem.strerror or problem}; see where it goes")
    return 1


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens
        click.echo(text, err=True)
