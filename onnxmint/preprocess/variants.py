"""The preparations that are tried on a model whose own is in doubt: scalings, channel orders, ways to resize."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from onnxmint.preprocess.declared.keras import KERAS
from onnxmint.preprocess.declared.toml import spec_toml
from onnxmint.preprocess.decoding import PRESETS
from onnxmint.preprocess.spec import NAMED, Filter, PreprocessSpec, Resampler, Size

_COLOURS = 3
_TRADITIONAL = 0.875  # of the shorter side that a crop keeps: 256 to 224, as ImageNet classifiers are tested
_SQUASHING = ("squash", "fit-when-needed")
_ROWS = ("flat-hwc", "flat-chw")

_GEOMETRY = (
    "size", "resize", "filter", "resampler", "crop", "crop_fraction", "crop_rule", "pad", "transparency", "orientation",
)  # fmt: skip


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
        return geometry_of(self.spec) == geometry_of(other.spec)


def declared_variant(spec: PreprocessSpec) -> Variant:
    """Return what the user declared, under the name that was given."""
    return Variant(name=spec.name, spec=spec, toml=None)


def geometry_of(spec: PreprocessSpec) -> PreprocessSpec:
    """Return the part of a preprocessing that runs before the graph: how pixels are read, resized and cropped."""
    facts: dict[str, Any] = {key: getattr(spec, key) for key in _GEOMETRY}
    return PreprocessSpec(name="", **facts)


def variants_of_pixels(geometry: PreprocessSpec, channels: int) -> tuple[Variant, ...]:
    """Return every known scaling in both channel orders, red first before blue first.

    Args:
        geometry: where size, resize, filter, crop and alike are taken from.
        channels: of the target, 1 or 3; those that need other channels are left out.
    """
    specs = [spec for spec in PRESETS.values() if max(len(spec.mean), len(spec.std)) <= channels]
    if channels == _COLOURS:
        # 0 to 255, blue first, only the mean taken off; Keras' other modes are -1-1 and imagenet
        specs += [_blue_first(spec) for spec in specs] + [KERAS["caffe"]]
    kept: dict[str, Any] = {key: getattr(geometry, key) for key in _GEOMETRY}
    return tuple(_variant(_varied(spec, layout=geometry.layout, **kept)) for spec in specs)


def variants_of_rows(variant: Variant) -> tuple[Variant, ...]:
    """Return a variant with its channels last and first, for a target that takes rows of coloured pixels."""
    spec = variant.spec
    return tuple(_variant(_varied(spec, layout=layout, name=f"{spec.name}, {layout}")) for layout in _ROWS)


def variants_of_resizing(variant: Variant, size: Size) -> tuple[Variant, ...]:
    """Return a variant with the other ways to bring images to the target's size.

    Args:
        variant: whose scaling and channel order are kept.
        size: (height, width) that the target takes.
    """
    return tuple(_resized(variant.spec, size))


def _resized(spec: PreprocessSpec, size: Size) -> Iterator[Variant]:
    if spec.resize not in _SQUASHING or spec.crop is not None:
        name = f"{spec.name}, squashed"
        yield _variant(_varied(spec, size=size, resize="squash", crop=None, crop_fraction=None, name=name))
    for share in (1.0, _TRADITIONAL):
        larger = round(size[0] / share), round(size[1] / share)
        if (spec.resize, spec.size, spec.crop) != ("shortest", larger, size):
            name = f"{spec.name}, shortest side {min(larger)}, crop {size[0]}x{size[1]}"
            yield _variant(_varied(spec, size=larger, resize="shortest", crop=size, crop_fraction=None, name=name))


def variants_of_filtering(variant: Variant) -> tuple[Variant, ...]:
    """Return a variant with the other filters that images are commonly resized with."""
    spec = variant.spec
    ways: tuple[tuple[Resampler, Filter], ...] = (
        ("pillow", "bilinear"),
        ("pillow", "bicubic"),
        ("pillow", "nearest"),
        ("no-antialias", "bilinear"),
    )
    return tuple(
        _variant(
            _varied(spec, resampler=whose, filter=name, name=f"{spec.name}, {name if whose == 'pillow' else whose}")
        )
        for whose, name in ways
        if (whose, name) != (spec.resampler, spec.filter)
    )


def variants_of_orientation(variant: Variant) -> tuple[Variant, ...]:
    """Return a variant that reads images the other way: turned as their EXIF says, or as they are stored.

    Worth trying where images say so (`images.pillow.stored`); all others have the same pixels either way.
    """
    spec = variant.spec
    if spec.orientation == "apply":
        return (_variant(_varied(spec, orientation="ignore", name=f"{spec.name}, as stored")),)
    return (_variant(_varied(spec, orientation="apply", name=f"{spec.name}, turned by EXIF")),)


def _blue_first(spec: PreprocessSpec) -> PreprocessSpec:
    """Return the same scaling of each colour with blue first: mean and deviation go with their colours."""
    return _varied(spec, name=f"{spec.name} with bgr", channels="bgr", mean=spec.mean[::-1], std=spec.std[::-1])


def _variant(spec: PreprocessSpec) -> Variant:
    return Variant(name=spec.name, spec=spec, toml=None if spec.origin in NAMED else spec_toml(spec))


def _varied(spec: PreprocessSpec, **changes: Any) -> PreprocessSpec:
    """Return a preprocessing with some values changed, its origin too where that makes it another one."""
    made = replace(spec, **changes)
    return spec if made == spec else replace(made, origin="made")
