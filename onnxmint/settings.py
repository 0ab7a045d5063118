"""What a user may choose about an audit, with the defaults that every front end shares."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How evidence is read and what is fitted on it."""

    preprocess: str | None = None  # preset name or TOML file; None is allowed only for targets that take uint8
    layer: str = "auto"  # human name, tensor name, index or "auto"
    module: str = "auto"  # "cnn", "vanilla", "views" or "auto"
    group: str | None = None  # column or pattern that says which images belong together
    labels: bool = True  # take labels where the source has them
    limit: int | None = None  # at most so many members and non-members
    device: str = "auto"  # "auto", "cpu" or "cuda"
    batch_size: int = 64  # images in one run of the target
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """How questioned images are scored and judged."""

    alpha: float = 0.05  # false-discovery rate per image, level of the test for the set
    group: str | None = None
    labels: bool = True
    device: str = "auto"
    batch_size: int = 64
    seed: int = 0
