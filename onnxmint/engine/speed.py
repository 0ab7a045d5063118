"""How fast this machine is with a target: measured on noise, in seconds, before an audit begins."""

import time
from dataclasses import dataclass

import numpy as np

from onnxmint.cores import usable_cores
from onnxmint.engine.local import Local
from onnxmint.engine.probe import expose
from onnxmint.engine.target import Target
from onnxmint.errors import ImagesError
from onnxmint.images.chosen import Decoded, Images
from onnxmint.images.entries import ImageSource
from onnxmint.preprocess.decoding import decode, final_size

_VIEWS = 2  # that a target is shown, where it can be
_SURE = 0.25  # seconds by which two runs must differ to say how long an image takes
_ROUNDS = 5  # doublings of the images in a trial run
_TRIED = 4  # images that are decoded to see how long that takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Seconds that this machine takes.

    Attributes:
        picture: for one view of one image by the target.
        image: for opening and preparing one image.
    """

    picture: float
    image: float


def measured_speed(target: Target, asked: ImageSource, batch_size: int | None) -> Speed:
    """Show a target noise, in runs of more and more images, and open some images; some seconds at most."""
    size, cores = final_size(target.spec), usable_cores()
    if size is None:
        return Speed(picture=0.0, image=0.0)
    views = 1 if target.model.input.mixes else _VIEWS
    exposed = expose(target, [], views=views, labels=False)
    noise = np.random.default_rng(0).integers(0, 256, (cores << _ROUNDS, *size, target.model.input.channels), np.uint8)

    def run(count: int) -> float:
        probe = exposed.probe(batch_size=min(batch_size or 16, max(1, count // cores)))
        part = Decoded(pixels=noise[:count], row=np.arange(count), label=None)
        start = time.perf_counter()
        Local().observe(probe, Images(parts=(part,), count=count), name="")
        return time.perf_counter() - start

    run(cores)  # what is done once
    first, last, count = run(cores), 0.0, cores
    for _ in range(_ROUNDS):
        count *= 2
        last = run(count)
        if last - first > _SURE:
            break
    return Speed(picture=max(last - first, 0.0) / (count - cores) / views, image=_opening(target, asked) / cores)


def _opening(target: Target, asked: ImageSource) -> float:
    """Return the seconds that opening and preparing an image takes one core."""
    wanted = {entry.index for entry in asked.entries()[:_TRIED]}
    start = time.perf_counter()
    for image in asked.read(wanted):
        if image.data is not None:
            try:
                decode(image.data, target.spec)
            except ImagesError:
                continue
    return (time.perf_counter() - start) / max(len(wanted), 1)
