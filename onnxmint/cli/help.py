"""onnxmint help: a topic, rendered from the Markdown file in the package that is read on a code host too."""

from importlib import resources

import click

from onnxmint.errors import UsageError

# In the order of need; the files are onnxmint/help/NAME.md.
TOPICS = {
    "sources": "Where images come from: folders, tables, shards, several places at once.",
    "evidence": "Which images serve as known members and non-members, and how many it takes.",
    "labels": "Classes of images, and why they help.",
    "preprocessing": "How the model's images are prepared, and how to find out.",
    "verdicts": "What an answer says, and what it does not.",
    "controls": "What else could explain a difference, and how it is looked for.",
    "sealing": "Pictures prepared before they are published: proof of use without known images.",
    "methods": "What tells members from others: views, the published modules, references.",
    "reference-models": "Classifiers of the target's task for LiRA, RMIA and relative, made by one command.",
    "comparing": "Two models on the same images: unlearning, a new release, a gate.",
    "two-parties": "An audit by somebody who gets neither the model nor the images.",
    "speed": "How long it takes, --time, memory, GPU.",
    "formats": "The files of a run, JSON, and the auditor as one ONNX file.",
    "browser": "An audit as one page: images are judged where they are.",
    "exit-codes": "What the command returns, for scripts and CI.",
    "strangers": "Files from strangers, and whose models can be read.",
    "installing": "Smaller and other installations, completion in the shell.",
}


@click.command("help")
@click.argument("topic", nargs=-1)
@click.pass_context
def help_command(ctx: click.Context, topic: tuple[str, ...]) -> None:
    """Explain a TOPIC, or a command; without one, list the topics.

    \b
    Examples:
      onnxmint help
      onnxmint help preprocessing
    """
    name = "-".join(topic).lower()
    group = ctx.find_root().command
    if not name:
        formatter = ctx.make_formatter()
        with formatter.section("Topics, for onnxmint help TOPIC"):
            formatter.write_dl(list(TOPICS.items()))
        click.echo(formatter.getvalue(), nl=False)
        return
    command = group.get_command(ctx, name) if isinstance(group, click.Group) else None
    if command is not None:
        with command.make_context(name, ["--help"], parent=ctx.parent, resilient_parsing=True) as of:
            click.echo(command.get_help(of))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.print(Markdown(read(name)), width=min(console.width, 100))


def read(name: str) -> str:
    """Return the Markdown of a topic.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in TOPICS:
        raise UsageError(f"no help on {name!r}; the topics: {', '.join(TOPICS)}")
    return resources.files("onnxmint.help").joinpath(f"{name}.md").read_text("utf-8")
