"""Any value of results/ for hypothesis, made from the annotations of its fields."""

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from hypothesis import strategies as st

from onnxmint.images.classes import Numbering
from onnxmint.images.variants import Change
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.audit import Histogram, ScoreTable
from onnxmint.results.basis import Basis
from onnxmint.results.methods import MethodScores
from onnxmint.results.sealed import SealedScores
from onnxmint.stats.estimates import FPRS, Measured, Performance, Rate
from onnxmint.stats.ranges import Share
from onnxmint.verdict.yardstick import Traces, Yardstick

Strategy = st.SearchStrategy[Any]
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
FEW = 3  # of whatever there may be many of
_SCALARS: dict[Any, Strategy] = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: FLOATS,
    str: st.text(st.characters(), max_size=8),  # with surrogates, as undecodable names of files have them
    type(None): st.none(),
    bytes: st.binary(max_size=8),
}
_ORDER = np.arange(FEW + 1)


def same(first: Any, second: Any) -> bool:
    """Say whether two values are equal, arrays and their types included."""
    if is_dataclass(first):
        return type(first) is type(second) and all(
            same(getattr(first, field.name), getattr(second, field.name)) for field in fields(first)
        )
    if isinstance(first, np.ndarray):
        return isinstance(second, np.ndarray) and first.dtype == second.dtype and np.array_equal(first, second)
    if isinstance(first, tuple):
        return isinstance(second, tuple) and len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return type(first) is type(second) and bool(first == second)


def hints_of(kind: type) -> dict[str, Any]:
    """Return the annotations of a dataclass, with the ranges of its numbers."""
    return get_type_hints(kind, include_extras=True)


def values(hint: Any) -> Strategy:  # noqa: PLR0911 - one for each form of annotation
    """Return any value of an annotation."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if origin is Annotated:
        make: Callable[..., Strategy] = st.integers if inside[0] is int else st.floats
        return make(inside[1].ge, inside[1].le)
    if origin is Literal:
        return st.sampled_from(inside)
    if origin in (Union, types.UnionType):
        return st.one_of([values(part) for part in inside])
    if origin is tuple and inside[-1] is Ellipsis:
        return st.lists(values(inside[0]), max_size=FEW).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, inside))
    if origin is dict:
        return st.dictionaries(values(inside[0]), values(inside[1]), max_size=FEW)
    if origin is np.ndarray:
        return columns(hint, FEW)
    return _OF.get(hint, plain)(hint)


def plain(kind: type) -> Strategy:
    """Return any dataclass whose fields can be anything that their annotations allow."""
    return st.builds(kind, **{name: values(hint) for name, hint in hints_of(kind).items()})


def columns(hint: Any, *shape: int) -> Strategy:
    """Return an array of so many values."""
    dtype = np.dtype(get_args(get_args(hint)[1])[0])
    count = int(np.prod(shape))
    of_kind = {
        "f": st.floats(-1e9, 1e9, width=32),
        "b": st.booleans(),
        "i": st.integers(0, 100),
        "u": st.integers(0, 9),
    }
    return st.lists(of_kind[dtype.kind], min_size=count, max_size=count).map(
        lambda found: np.array(found, dtype).reshape(shape)
    )


def _table(kind: type) -> Strategy:
    """Return columns of one length, optional ones there or not."""
    found = {}
    for name, hint in hints_of(kind).items():
        parts = [columns(part, FEW) for part in (get_args(hint) if get_origin(hint) is types.UnionType else [hint])
                 if get_origin(part) is np.ndarray]  # fmt: skip
        found[name] = st.one_of(*parts, *([st.none()] if len(parts) and get_origin(hint) is types.UnionType else []))
    return st.builds(kind, **found)


def _histogram(kind: type) -> Strategy:
    counts = columns(np.ndarray[Any, np.dtype[np.int64]], FEW)
    edges = st.floats(-1e6, 1e6).map(lambda low: low + _ORDER.astype(np.float64))
    return st.builds(kind, edges=edges, member=counts, nonmember=counts, questioned=st.one_of(st.none(), counts))


def _rate(kind: type) -> Strategy:
    share = values(Share if kind is Rate else float)
    ends, reason = {"low": share, "high": share}, {"no_interval": st.text()}
    return st.one_of(*(st.builds(kind, value=share, thin=st.booleans(), **more) for more in (ends, reason)))


def _performance(kind: type) -> Strategy:
    hints = hints_of(kind)
    rates = st.fixed_dictionaries({str(fpr): _rate(Rate) for fpr in FPRS})
    return st.builds(kind, **{name: values(hint) for name, hint in hints.items()} | {"tpr_at_fpr": rates})


def _spec(kind: type) -> Strategy:
    above = st.floats(1e-3, 1e3)
    sizes = st.one_of(st.none(), st.tuples(st.integers(1, 999), st.integers(1, 999)))
    limited = {
        "size": sizes,
        "crop": sizes,
        "crop_fraction": st.one_of(st.none(), st.floats(0.01, 1)),
        "pad": st.one_of(st.none(), st.tuples(st.integers(0, 255))),
        "scale": above,
        "mean": st.tuples(FLOATS, FLOATS, FLOATS),
        "std": st.tuples(above),
    }
    return st.builds(kind, **{name: limited.get(name, values(hint)) for name, hint in hints_of(kind).items()})


def _scores(kind: type) -> Strategy:
    table = {}
    for name, hint in hints_of(kind).items():
        if name not in ("path", "label"):
            parts = [part for part in get_args(hint) if get_origin(part) is np.ndarray] or [hint]
            table[name] = columns(parts[0], FEW) if parts == [hint] else st.one_of(columns(parts[0], FEW), st.none())
    return st.builds(kind, path=st.tuples(*[values(str)] * FEW), label=st.none(), **table)


def _method_scores(kind: type) -> Strategy:
    hints = hints_of(kind)
    columns_of = values(hints["scores"])
    texts = {name: st.tuples(*[values(get_args(hints[name])[0])] * FEW) for name in ("path", "side", "part")}
    return st.builds(kind, scores=columns_of, **texts)


_THUMBS = st.integers(0, 255).map(lambda level: np.full((FEW, 192), level, np.uint8))


def _traces(kind: type) -> Strategy:
    hints = hints_of(kind)
    table = {name: columns(hint, FEW) for name, hint in hints.items()}
    matrices = {"features": columns(hints["features"], FEW, 2), "thumb": _THUMBS}
    return st.builds(kind, **table | matrices)


def _numbering(kind: type) -> Strategy:
    """Return names that are all different, with ascending numbers."""
    order = values(hints_of(kind)["order"])
    names = st.dictionaries(st.text(max_size=8), st.integers(0, 999), max_size=FEW)
    return st.builds(
        lambda found, by: Numbering(
            names=tuple(found), numbers=tuple(sorted({*found.values()})) if len({*found.values()}) == len(found)
            else tuple(range(len(found))), order=by,
        ),
        names, order,
    )  # fmt: skip


def _basis(kind: type) -> Strategy:
    table = {}
    for name, hint in hints_of(kind).items():
        arrays = [part for part in (hint, *get_args(hint)) if get_origin(part) is np.ndarray]
        table[name] = columns(arrays[0], FEW) if arrays else st.tuples(*[values(str)] * FEW)
    return st.builds(kind, **table)


def _sealed(kind: type) -> Strategy:
    """Return scores of pictures that ascend."""
    table = {name: columns(hint, FEW) for name, hint in get_type_hints(kind).items() if name in ("drawn", "score")}
    score = columns(get_type_hints(kind)["score"], FEW, 2)
    return st.builds(kind, **table | {"score": score}, picture=st.just(np.arange(FEW)), label=st.none())


def _change(kind: type) -> Strategy:
    noise, part = st.floats(0.1, 128), st.floats(0, 0.5)
    return st.builds(kind, noise=noise, cells=st.integers(1, 999), crop=part, colour=part, mirror=st.booleans())


_OF: dict[type, Callable[[type], Strategy]] = {
    Basis: _basis,
    Change: _change,
    Histogram: _histogram,
    MethodScores: _method_scores,
    Performance: _performance,
    PreprocessSpec: _spec,
    Measured: _rate,
    Rate: _rate,
    Numbering: _numbering,
    ScoreTable: _scores,
    SealedScores: _sealed,
    Traces: _traces,
    Yardstick: _table,
}
