"""The onnxmint command: finds the sub-command, and turns our errors into one line and an exit code."""

import importlib
import re
import sys
from typing import Any, NoReturn

import click

from onnxmint import __version__
from onnxmint.errors import OnnxmintError

_LONG_NAME = re.compile(r"""(?<!\S)'[^']{201,}'|(?<!\S)"[^"]{201,}"|\S{201,}""")  # in quotes, or one word
_NAME_START, _NAME_END = 150, 47
_LONGEST, _END = 2000, 500  # letters of a message, and of its end
# In the order of use. A command's module is imported only when it is called: --help must stay quick.
COMMANDS = {
    "demo": ("onnxmint.cli.demo", "demo_command", "Run a whole audit on bundled data, offline."),
    "layers": ("onnxmint.cli.layers", "layers_command", "List the layers of a model that can be exposed."),
    "check": ("onnxmint.cli.check", "check_command", "Try the known preprocessings on a few images and rank them."),
    "expose-layer": ("onnxmint.cli.expose", "expose_command", "Write a model that gives out a layer's activations."),
    "plan": ("onnxmint.cli.plan", "plan_command", "Say how many images an audit needs."),
    "train": ("onnxmint.cli.train", "train_command", "Train an auditor of a model on known members and non-members."),
    "audit": ("onnxmint.cli.audit", "audit_command", "Say which images a model was trained on, with error rates."),
    "evaluate": ("onnxmint.cli.evaluate", "evaluate_command", "Compare all methods on held-out known images."),
    "report": ("onnxmint.cli.report", "report_command", "Render the report of a finished audit again."),
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: onnxmint demo",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="onnxmint")
def cli(debug: bool) -> None:
    """Ask an ONNX image classifier which images it was trained on."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one line on stderr."""
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        outcome: Any = cli.main(args=words, prog_name="onnxmint", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nStopped by the user; nothing half-written was left behind.", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left; Python would complain again at exit
        return 1
    except Exception as problem:
        if debug:
            raise
        return explain(problem)
    return outcome if isinstance(outcome, int) else 0


def explain(problem: Exception) -> int:
    """Print an error as one line and return its exit code; an unforeseen one asks to be reported."""
    if isinstance(problem, OnnxmintError):
        click.echo(f"Error: {one_line(str(problem))}", err=True)
        return problem.exit_code
    kind = type(problem).__name__
    text = f"unexpected {kind}: {one_line(str(problem))}. This is a defect: run again with --debug and report it."
    click.echo(f"Error: {text}", err=True)
    return 1


def one_line(text: str) -> str:
    """Fold a message into one printable line; names from files may hold control characters, and be of any length."""
    folded = _LONG_NAME.sub(_shortened, " ".join(text.split()))
    if len(folded) > _LONGEST:
        folded = f"{folded[: _LONGEST - _END]} ... {folded[-_END:]}"  # the end says what to do
    return "".join(letter if letter.isprintable() else "?" for letter in folded)


def _shortened(name: re.Match[str]) -> str:
    return f"{name[0][:_NAME_START]}...{name[0][-_NAME_END:]}"
