"""Help of a command with many options: by what they are for, the statistician's last."""

import click

# By the names of parameters; every command shows what it has of them, and the rest at the end.
GROUPS = (
    (
        "Known images",
        (
            "auditor_file", "first", "members", "nonmembers", "images", "forget", "labels", "classes", "group", "limit",
            "reference", "sealed", "commitment",
        ),
    ),
    ("What is made", ("features", "retrain", "count", "epochs")),
    ("The model", ("preprocess", "preprocess_after", "answer", "signal", "augmentation")),
    (
        "Time",
        (
            "time", "sample", "sequential", "part", "unit", "engine", "address", "cpus_per_task", "insecure_cluster",
            "views", "device", "batch_size",
        ),
    ),
    (
        "Results",
        (
            "output", "overwrite", "subject", "subject_first", "language", "title", "case", "note", "thumbnails",
            "paths", "redact", "fail_above", "fail_if_more", "gate", "registration", "deviate", "written_as", "as_json",
            "no_record", "quiet", "help",
        ),
    ),
    ("Advanced: what is fitted", ("module", "modules", "layers", "folds", "repeats", "controls", "seed")),
    (
        "Advanced: statistics",
        (
            "alpha", "relevant_share", "prior", "false_discovery", "p_values", "guarantee", "per_class", "epsilon",
            "drawn_at_random", "delta",
        ),
    ),
)  # fmt: skip
REST = "Further options"
_FIRST = 5  # groups before what has none


class GroupedCommand(click.Command):
    """A command whose options stand in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each in its group."""
        of = {name: heading for heading, names in GROUPS for name in names}
        found: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and not isinstance(param, click.Argument):
                name = "help" if "--help" in param.opts else param.name or ""  # click names it in several ways
                found.setdefault(of.get(name, REST), []).append(record)
        for heading in (
            *(heading for heading, _ in GROUPS[:_FIRST]),
            REST,
            *(heading for heading, _ in GROUPS[_FIRST:]),
        ):
            if heading in found:
                with formatter.section(heading):
                    formatter.write_dl(found[heading])
