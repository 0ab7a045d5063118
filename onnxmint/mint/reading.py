"""What a module reads of a target: the log-odds in all views, or one layer, or several read as one."""

from dataclasses import dataclass

from onnxmint.engine.probe import (
    ACTIVATION,
    FREE,
    HARDNESS,
    ODDS,
    RELATIVE,
    RELATIVE_FREE,
    Exposed,
    Probe,
    Reduce,
    expose,
)
from onnxmint.engine.target import Target
from onnxmint.errors import UsageError
from onnxmint.graph.instrument import joined_name
from onnxmint.graph.layers import Layer, choose_layers
from onnxmint.kinds import module_kind
from onnxmint.settings import TrainSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An exposed target and the one column of it that a module reads.

    Attributes:
        exposed: the target.
        layers: what is read; none for the log-odds in all views.
        column: ODDS, RELATIVE or ACTIVATION.
        shape: of the column, per image.
    """

    exposed: Exposed
    layers: tuple[Layer, ...]
    column: str
    shape: tuple[int, ...]

    @property
    def output(self) -> str:
        """Return the output of the graph that is read."""
        graph = self.exposed.graph
        return graph.activations[joined_name(self.layers)] if self.layers else self.exposed.columns[self.column]

    @property
    def has_level(self) -> bool:
        """Say whether the target is shown several views, over which its log-odds can be averaged."""
        return self.exposed.views > 1

    @property
    def free(self) -> str | None:
        """Return the column of what the module would read without labels, None where it reads none."""
        free = {ODDS: FREE, RELATIVE: RELATIVE_FREE}.get(self.column)
        return free if free in self.exposed.columns else None

    @property
    def read(self) -> dict[str, tuple[int, ...]]:
        """Return the columns that modules are fitted on or score, with their shapes per image."""
        return {self.column: self.shape, **({self.free: self.shape} if self.free else {})}

    def probe(
        self, batch_size: int | None, *, also: tuple[str, ...] = (), reduce: Reduce | None = None, stored: bool = False
    ) -> Probe:
        """Return a probe of what is read.

        Args:
            batch_size: images in one run; None takes what suits device and views.
            also: further columns, such as ANSWER or a layer's name.
            reduce: what is kept.
            stored: keep what is read for fitting.
        """
        shown, others = self.exposed.columns, [self.free] if self.free else []
        if self.column == RELATIVE:  # signals are those of the target alone
            others += [name for name in (ODDS, FREE, HARDNESS) if name in shown]
        return self.exposed.probe(
            batch_size=batch_size,
            columns={self.column: self.output, **{name: shown[name] for name in (*others, *also)}},
            reduce=reduce,
            stored=self.read if stored else None,
            leaves_out_odd=True,
        )


def what_is_read(layers: tuple[Layer, ...], settings: TrainSettings) -> tuple[Layer, ...]:
    """Return the layers whose activations the module reads, none for the log-odds in all views.

    Raises:
        UsageError: a layer was named for a module that reads the answer, or there is no such layer.
    """
    if settings.module != "auto" and module_kind(settings.module).reads == "odds":
        if settings.layers != ("auto",):
            named = ", ".join(map(repr, settings.layers))
            raise UsageError(
                f"--module {settings.module} reads what the model says, not layer {named}: leave --layer out"
            )
        return ()
    if settings.module == "auto" and settings.layers == ("auto",):
        return ()
    return choose_layers(layers, settings.layers)


def open_reading(
    target: Target,
    layers: tuple[Layer, ...],
    *,
    views: int,
    labels: bool,
    beside: tuple[Layer, ...] = (),
    relative: bool = False,
) -> Reading:
    """Build the graph that shows what a module reads.

    Args:
        target: the target.
        layers: what is read; none for the log-odds.
        views: how many views of each image.
        labels: whether log-odds are those of the images' own classes.
        beside: layers that are shown too.
        relative: read the references beside the target too; otherwise these are left away.
    """
    if not relative:
        target = target.beside_of(())
    if not layers:
        exposed = expose(target, [], views=views, labels=labels, beside=beside)
        column, width = (RELATIVE, exposed.views + 1) if relative else (ODDS, exposed.views)
        return Reading(exposed=exposed, layers=(), column=column, shape=(width,))
    exposed = expose(target, layers, views=0, labels=False, joined=True, beside=beside)
    shape = exposed.graph.activation_shapes[joined_name(layers)]
    return Reading(exposed=exposed, layers=layers, column=ACTIVATION, shape=shape)


def title(name: str, layers: tuple[Layer, ...], shown: Exposed) -> str:
    """Return what a reader calls a module: its name and what it reads of what a target is shown."""
    if layers:
        return f"{name} on {joined_name(layers)}"
    said = shown.augmentation
    of = "" if said is None else f" of {said}"
    if not module_kind(name).views:
        return f"{name}, one view"
    count = len(shown.target.beside) if module_kind(name).references else 0
    beside = f" beside {count} reference{'s' if count > 1 else ''}" if count else ""
    return f"{name} on {shown.views} views{of}{beside}"
