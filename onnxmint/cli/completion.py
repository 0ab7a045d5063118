"""onnxmint completion: the script by which a shell completes commands and options."""

import click

SHELLS = {
    "bash": 'eval "$(onnxmint completion bash)"      # in ~/.bashrc',
    "zsh": 'eval "$(onnxmint completion zsh)"       # in ~/.zshrc',
    "fish": "onnxmint completion fish | source       # in ~/.config/fish/config.fish",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(tuple(SHELLS)))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands and options.

    \b
    Examples:
      onnxmint completion bash > ~/.onnxmint-completion
      echo 'source ~/.onnxmint-completion' >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click completes no {shell}; there are {', '.join(SHELLS)}")
    click.echo(f"# {SHELLS[shell]}")
    click.echo(kind(ctx.find_root().command, {}, "onnxmint", "_ONNXMINT_COMPLETE").source())
