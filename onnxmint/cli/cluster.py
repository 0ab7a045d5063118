"""onnxmint audit --engine ray: a cluster that stands already makes the parts, and the report is made of them here."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxmint.cli.parts import parts_of, require_to_divide, run_of
from onnxmint.errors import UsageError
from onnxmint.report.names import visible
from onnxmint.settings import AuditSettings

if TYPE_CHECKING:
    from onnxmint.engine.cluster import Cluster

_OF_CLUSTERS = {"address": "--address", "cpus_per_task": "--cpus-per-task", "insecure_cluster": "--insecure-cluster"}


def cluster_options(command: Any) -> Any:
    """Add the options of an audit on a cluster."""
    for option in (
        click.option(
            "--insecure-cluster", is_flag=True,
            help="With --engine ray: join a cluster that asks nobody for a token.",
        ),
        click.option(
            "--cpus-per-task", type=click.IntRange(1), metavar="N",
            help="With --engine ray: CPUs of a process; default: 1, and 6 beside a GPU, for which they decode.",
        ),
        click.option(
            "--address", metavar="HOST:PORT", envvar="RAY_ADDRESS",
            help="With --engine ray: head of the cluster, as ray start --head prints it; default: RAY_ADDRESS.",
        ),
        click.option(
            "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
            help="ray: have the images scored by a Ray cluster that stands already (none is started), a task a CPU or "
            "an actor a GPU; RUN.parts is a folder that all nodes share. The same command goes on after any end. Needs "
            "--auditor and -o.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def cluster_of(ctx: click.Context, options: dict[str, Any]) -> "Cluster | None":
    """Take the options of a cluster out of all, and return the one to join; None for this process.

    Raises:
        UsageError: what is asked does not go together.
        OnnxmintError: the cluster cannot be joined.
    """
    engine = options.pop("engine")
    given = {name: options.pop(name) for name in _OF_CLUSTERS}
    if engine == "local":
        for name, word in _OF_CLUSTERS.items():
            if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
                raise UsageError(f"{word} belongs to --engine ray: give both, or neither")
        return None
    if options["part"] is not None:
        raise UsageError("--part is for processes that nobody directs, --engine ray for a cluster: give one of them")
    require_to_divide(options, "--engine ray")
    from onnxmint.engine.supervision import require_cluster

    return require_cluster(given["address"], cores=given["cpus_per_task"], insecure=given["insecure_cluster"])


def audit_on(cluster: "Cluster", model: Path, images: tuple[str, ...], options: dict[str, Any]) -> int:
    """Have the parts made, make the report, and return the exit code."""
    from onnxmint.cli.merge import merge_command, report_of_parts
    from onnxmint.cli.options import settings_of
    from onnxmint.cli.outputs import inputs_of, results_folder
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.workflows.spreading import Order, audit_on_cluster

    run, silent = options["output"], options["quiet"]
    inputs = inputs_of(model, options | {"images": images})
    with results_folder(run_of(run), "onnxmint-run", overwrite=options["overwrite"], inputs=inputs):
        pass  # what stands in the way is told before the long work, not after it
    order = Order(
        here=str(Path.cwd()),
        model=str(model),
        images=images,
        auditor=str(options["auditor_file"]),
        folder=str(parts_of(run)),
        settings=settings_of(AuditSettings, options),
        unit=options["unit"],
    )

    def tell(words: str) -> None:
        if not silent:
            click.echo(visible(words), err=True)

    done = audit_on_cluster(order, cluster, stage=stage_on_stderr(silent=silent), tell=tell)
    tell(
        f"{done.units:,} parts are in {parts_of(run)} ({done.before:,} from before, {done.again:,} tries were repeated)"
    )
    device = "auto" if options["device"] == "cuda" else options["device"]  # this machine may have none
    given = options | {"model": model, "images": images, "device": device}
    return report_of_parts(run, {one.name: given[one.name] for one in merge_command.params if one.name in given})
