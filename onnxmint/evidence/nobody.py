"""No known members: what stands in their place where an audit knows non-members only."""

from collections.abc import Hashable, Iterator
from collections.abc import Set as AbstractSet

from onnxmint.images.classes import Numbering
from onnxmint.images.entries import EncodedImage, ImageEntry
from onnxmint.images.passed import PassedOver

UNMEASURED = (
    "No members are known, so nothing was fitted, and how well members are told from non-members could not be measured."
)
"""Why an audit without known members has no performance."""


class Nobody:
    """A source of known members that holds none."""

    location = "no known members"
    classes: tuple[str, ...] | None = None
    numbering: Numbering | None = None
    passed_over: tuple[PassedOver, ...] = ()
    notes: tuple[str, ...] = ()

    def entries(self) -> tuple[ImageEntry, ...]:
        """List no image."""
        return ()

    def origins(self) -> tuple[Hashable, ...]:
        """Return no place."""
        return ()

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield none, whatever is wanted."""
        del wanted
        yield from ()
