"""The preparations that are tried on a model whose own is in doubt: scalings, channel orders, ways to resize."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from onnxmint.images.declared.toml import spec_toml
from onnxmint.images.preprocess import PRESETS, PreprocessSpec, Size

_COLOURS = 3
_TRADITIONAL = 0.875  # of the shorter side that a crop keeps: 256 to 224, as ImageNet classifiers are tested
_SQUASHING = ("squash", "fit-when-needed")

# As Keras and Caffe prepare images for their ImageNet models: 0 to 255, blue first, only the mean taken off.
_CAFFE = PreprocessSpec(name="caffe", channels="bgr", mean=(103.939, 116.779, 123.68))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One preparation that is tried.

    Attributes:
        name: as a user writes it for --preprocess, or in words, such as "cifar10 with bgr".
        spec: the preparation, what the target decides not yet filled in.
        toml: what a file for --preprocess has to hold; None when `name` itself can be given.
    """

    name: str
    spec: PreprocessSpec
    toml: str | None

    def same_geometry(self, other: "Variant") -> bool:
        """Return whether both bring images to the target's size in the same way."""
        mine, its = self.spec, other.spec
        return (mine.size, mine.resize, mine.filter, mine.crop) == (its.size, its.resize, its.filter, its.crop)


def declared_variant(spec: PreprocessSpec) -> Variant:
    """Return what the user declared, under the name that was given."""
    return Variant(name=spec.name, spec=spec, toml=None)


def variants_of_pixels(geometry: PreprocessSpec, channels: int) -> tuple[Variant, ...]:
    """Return every known scaling in both channel orders, red first before blue first.

    Args:
        geometry: where size, resize, filter and crop are taken from.
        channels: of the target, 1 or 3; those that need other channels are left out.
    """
    specs = [spec for spec in PRESETS.values() if max(len(spec.mean), len(spec.std)) <= channels]
    if channels == _COLOURS:
        specs += [_blue_first(spec) for spec in specs] + [_CAFFE]
    return tuple(
        _variant(
            replace(
                spec, size=geometry.size, resize=geometry.resize, filter=geometry.filter, crop=geometry.crop,
                layout=geometry.layout,
            )
        )
        for spec in specs
    )  # fmt: skip


def variants_of_resizing(variant: Variant, size: Size) -> tuple[Variant, ...]:
    """Return a variant with the other ways to bring images to the target's size.

    Args:
        variant: whose scaling and channel order are kept.
        size: (height, width) that the target takes.
    """
    return tuple(_resized(variant.spec, size))


def _resized(spec: PreprocessSpec, size: Size) -> Iterator[Variant]:
    if spec.resize not in _SQUASHING or spec.crop is not None:
        squashed = replace(spec, size=size, resize="squash", crop=None, name=f"{spec.name}, squashed")
        yield _variant(squashed)
    for share in (1.0, _TRADITIONAL):
        larger = round(size[0] / share), round(size[1] / share)
        if (spec.resize, spec.size, spec.crop) != ("shortest", larger, size):
            name = f"{spec.name}, shortest side {min(larger)}, crop {size[0]}x{size[1]}"
            yield _variant(replace(spec, size=larger, resize="shortest", crop=size, name=name))


def _blue_first(spec: PreprocessSpec) -> PreprocessSpec:
    """Return the same scaling of each colour with blue first: mean and deviation go with their colours."""
    return replace(spec, name=f"{spec.name} with bgr", channels="bgr", mean=spec.mean[::-1], std=spec.std[::-1])


def _variant(spec: PreprocessSpec) -> Variant:
    return Variant(name=spec.name, spec=spec, toml=None if PRESETS.get(spec.name) == spec else spec_toml(spec))
