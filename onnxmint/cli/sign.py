"""onnxmint sign: who made a run, said so that others can check it."""

from pathlib import Path

import click

from onnxmint.cli.options import Here


@click.command("sign")
@click.argument("run", type=Here(), metavar="RUN")
@click.option(
    "--key", type=Here(), required=True, metavar="FILE",
    help="Private Ed25519 key without a passphrase, as OpenSSL (PEM) or ssh-keygen writes it.",
)  # fmt: skip
def sign_command(run: Path, key: Path) -> None:
    """Sign the folder RUN: its manifest, and by it every file, in manifest.dsse.json.

    An in-toto statement in a DSSE envelope, which OpenSSL checks as well. Needs the extra: onnxmint[sign].

    \b
    Examples:
      openssl genpkey -algorithm ed25519 -out key.pem
      openssl pkey -in key.pem -pubout -out public.pem
      onnxmint sign run --key key.pem
      onnxmint verify run --key public.pem
    """
    from onnxmint.report.names import visible
    from onnxmint.workflows.signing import sign

    path, identity = sign(run, key)
    click.echo(visible(f"{path}, signed by the key {identity}"))
