"""The MINT modules that there are: by which names they are asked for, what they read, how many networks are fitted."""

from dataclasses import dataclass
from typing import Literal

from onnxmint.errors import UsageError

ModuleName = str  # of one of MODULES: an open set, to which a row and a file add
_MAP = 3  # axes of an activation map: channels, height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleKind:
    """A MINT module that can be asked for; its network is in mint/modules/NAME.py.

    Attributes:
        name: by which it is asked for.
        words: what it does, for --help.
        reads: the log-odds of the answer in all views, or one layer.
        views: whether it needs more than one view of an image.
        references: whether it compares with what given references say.
        maps_only: whether a layer must be an activation map.
        fitted: how many networks are: none, one, or one stopped by each fold of the fit part.
        grown: whether they are boosted trees, and not fitted in epochs.
    """

    name: ModuleName
    words: str
    reads: Literal["odds", "layer"]
    views: bool = False
    references: bool = False
    maps_only: bool = False
    fitted: Literal["none", "one", "each fold"] = "one"
    grown: bool = False

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Say whether it can read a layer of this shape per image."""
        return not self.maps_only or len(shape) == _MAP


MODULES = (
    ModuleKind(
        name="views",
        words="reads how the answer changes over shifted and mirrored views",
        reads="odds",
        views=True,
        fitted="each fold",
    ),
    ModuleKind(
        name="trees", words="reads that with boosted trees", reads="odds", views=True, fitted="each fold", grown=True
    ),
    ModuleKind(
        name="relative",
        words="reads what views does and how hard the image is for each --reference",
        reads="odds",
        views=True,
        references=True,
        fitted="each fold",
    ),
    ModuleKind(name="phi", words="is the log-odds of one view", reads="odds", fitted="none"),
    ModuleKind(
        name="gap",
        words="is how far these are above all views', in deviations of those",
        reads="odds",
        views=True,
        fitted="none",
    ),
    ModuleKind(name="cnn", words="reads the activation map of one --layer", reads="layer", maps_only=True),
    ModuleKind(name="vanilla", words="reads its pooled values", reads="layer"),
)
"""Every module; of those that read a layer, "auto" takes the first that can. To add one, write its file and its row."""


def module_kind(name: ModuleName) -> ModuleKind:
    """Return the row of a module.

    Raises:
        UsageError: there is no such module.
    """
    found = next((kind for kind in MODULES if kind.name == name), None)
    if found is None:
        raise UsageError(f"no module {name!r}; there are {', '.join(kind.name for kind in MODULES)}")
    return found


def readers_of_layers(last: str) -> str:
    """Return the names of the modules that read a layer, for --help: "a, b or c" when the last word between is "or"."""
    *first, final = (kind.name for kind in MODULES if kind.reads == "layer")
    return f"{', '.join(first)} {last} {final}" if first else final


@dataclass(frozen=True, slots=True, kw_only=True)
class OfModules:
    """Names of modules that a setting may have; `auto` adds that word, `fitted` leaves out those that learn nothing."""

    auto: bool = False
    fitted: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return them."""
        found = tuple(kind.name for kind in MODULES if kind.fitted != "none" or not self.fitted)
        return ("auto", *found) if self.auto else found
