"""onnxmint sign: who made a run, and when, said so that others can check it."""

from pathlib import Path

import click

from onnxmint.cli.options import Here
from onnxmint.errors import UsageError

_WHY = "a run that is signed must not change meanwhile, and nobody can lock one in a store"


@click.command("sign")
@click.argument("run", type=Here(why=_WHY), metavar="RUN")
@click.option(
    "--key", type=Here(), metavar="FILE",
    help="Private Ed25519 key without a passphrase, as OpenSSL (PEM) or ssh-keygen writes it.",
)  # fmt: skip
@click.option(
    "--time-query", type=Here(dir_okay=False), metavar="FILE",
    help="Write what a time stamping authority is asked for the run (RFC 3161); nobody is asked from here.",
)  # fmt: skip
@click.option(
    "--time-reply", type=Here(dir_okay=False), metavar="FILE",
    help="Take in what the authority replied, for the run or its registration. Needs the extra: onnxmint[time].",
)  # fmt: skip
def sign_command(run: Path, key: Path | None, time_query: Path | None, time_reply: Path | None) -> None:
    """Sign the folder RUN: its manifest, and by it every file, in manifest.dsse.json; or have it stamped.

    An in-toto statement in a DSSE envelope, which OpenSSL checks as well. Needs the extra: onnxmint[sign]. The query
    holds the SHA-256 of the manifest and nothing else; any way to an authority serves.

    \b
    Examples:
      openssl genpkey -algorithm ed25519 -out key.pem
      openssl pkey -in key.pem -pubout -out public.pem
      onnxmint sign run --key key.pem --time-query run.tsq
      curl -H "Content-Type: application/timestamp-query" --data-binary @run.tsq \\
          https://AUTHORITY -o run.tsr
      onnxmint sign run --time-reply run.tsr
      onnxmint verify run --key public.pem --tsa authority.pem
    """
    from onnxmint.report.names import visible
    from onnxmint.workflows.signing import sign
    from onnxmint.workflows.stamping import add_reply, query_of_run

    if key is None and time_query is None and time_reply is None:
        raise UsageError("give --key, to sign, or --time-query or --time-reply, for the time by somebody else's clock")
    if key is not None:
        path, identity = sign(run, key)
        click.echo(visible(f"{path}, signed by the key {identity}"))
    if time_query is not None:
        query_of_run(run, time_query)
        click.echo(visible(f"{time_query} asks for the time of the run; take the reply in with --time-reply"))
    if time_reply is not None:
        path, stamp = add_reply(run, time_reply)
        click.echo(visible(f"{path} says {stamp.words}; check it with: onnxmint verify {run} --tsa CERTIFICATES"))
