"""Where the time of a piece of work went, by names, for those who want to make it shorter."""

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Clock:
    """Adds up wall time by what it was spent on."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.monotonic)

    def mark(self, name: str) -> None:
        """Count the time since the last mark for `name`."""
        at = time.monotonic()
        self.seconds[name] = self.seconds.get(name, 0.0) + at - self._last
        self._last = at
