"""Trees of JSON or TOML with something changed: a value, a type, a key, a length; and their texts damaged."""

import copy
import json
import random
from typing import Any

ODD: tuple[Any, ...] = (
    None, "", "x" * 50, "x" * 5000, -1, 0, 1, 2, 10**30, 2**62, -(2**63), 1e308, -1e308, 1e-320, float("nan"),
    float("inf"),
    True, False, [], {}, [1], {"no": 1}, ["a"], [[[]]], 0.5, "\x1b]0;title\x07", "\u202egnp.exe", "\u2028", "1",
    "nan", "../x",
    "<script>alert(1)</script>", "[red]", "{{ 7 * 7 }}", "\x00", [0.1, 0.2, 0.3], [1e9, 1e9], 224, 3.5,
)  # fmt: skip
_TEXTS = (
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b"9" * 5000,
    b"\xff\xfe",
    b"\x00",
    b"\xef\xbb\xbf",
    b"}",
    b'"',
    b",,",
    b"1e999",
    b"\\ud800",
)


def paths(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to all values of a tree; of lists only the first."""
    found = [at] if at else []
    if isinstance(tree, dict):
        found += [path for key in tree for path in paths(tree[key], (*at, key))]
    elif isinstance(tree, list):
        found += [path for key in range(min(len(tree), 3)) for path in paths(tree[key], (*at, key))]
    return found


def edited(tree: Any, rng: random.Random, *, odd: tuple[Any, ...] = ODD) -> Any:
    """Return a copy of a tree with one thing changed."""
    tree = copy.deepcopy(tree)
    places = paths(tree)
    if not places:
        return rng.choice(odd)
    path = rng.choice(places)
    here = tree
    for key in path[:-1]:
        here = here[key]
    value, how = here[path[-1]], rng.random()
    if how < 0.15:
        del here[path[-1]]
    elif how < 0.2 and isinstance(here, dict):
        here[rng.choice(["extra", "\x1b[31m", "x" * 3000, ""])] = value
    elif how < 0.3 and isinstance(here, list):
        here.append(copy.deepcopy(value))
    elif how < 0.45 and isinstance(value, int | float) and not isinstance(value, bool):
        here[path[-1]] = rng.choice([value + 1, -value, value * 1000, value / 7, value * 0, float(value)])
    elif how < 0.55:
        other: Any = tree
        for key in rng.choice(places):
            other = other[key] if _has(other, key) else other
        here[path[-1]] = copy.deepcopy(other)
    else:
        here[path[-1]] = copy.deepcopy(rng.choice(odd))
    return tree


def _has(tree: Any, key: Any) -> bool:
    return (isinstance(tree, dict) and key in tree) or (
        isinstance(tree, list) and isinstance(key, int) and key < len(tree)
    )


def text_of(tree: Any, rng: random.Random) -> bytes:
    """Return a tree as JSON, now and then with surrogates, or with its text damaged."""
    text = json.dumps(tree, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return damaged(text, rng) if rng.random() < 0.15 else text


def damaged(text: bytes, rng: random.Random) -> bytes:
    """Return a text with bytes changed, cut out, or put in."""
    made = bytearray(text)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, how = rng.randrange(len(made) + 1), rng.randrange(4)
        if how == 0:
            made[at:at] = rng.choice(_TEXTS)
        elif how == 1:
            del made[at : at + rng.randrange(40)]
        elif made[at : at + 1]:
            made[at] = rng.randrange(256)
    return bytes(made)


def shuffled(tree: Any, rng: random.Random) -> Any:
    """Return the same tree with its keys in another order."""
    if isinstance(tree, dict):
        keys = list(tree)
        rng.shuffle(keys)
        return {key: shuffled(tree[key], rng) for key in keys}
    return [shuffled(one, rng) for one in tree] if isinstance(tree, list) else tree
