"""An engine that remembers what it was asked, beside what came of it."""

from dataclasses import dataclass, field

from onnxmint.engine.local import Local
from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import Probe
from onnxmint.images.chosen import Images
from onnxmint.progress import Stage, quiet


@dataclass
class Recording:
    """Delegates to the local engine."""

    asked: list[tuple[str, Probe, Images]] = field(default_factory=list)
    stage: Stage = quiet

    def observe(self, probe: Probe, images: Images, *, name: str) -> Observations:
        self.asked.append((name, probe, images))
        return Local(self.stage).observe(probe, images, name=name)
