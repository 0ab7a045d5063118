"""Images that were looked up in a redacted run, as lines."""

from collections.abc import Iterator

from onnxmint.report.names import visible
from onnxmint.results.lookup import LookedUp, Lookup


def lookup_lines(found: Lookup) -> Iterator[str]:
    """Yield one line an image: pseudonym, name and what was found."""
    for one in found.rows:
        name = "(a name that is not at hand: --images)" if one.name is None else visible(one.name)
        yield f"{visible(one.pseudonym)}  {name}  {_said(one)}"


def _said(one: LookedUp) -> str:
    if one.score is None or one.p_value is None or one.q_value is None:
        return one.found if one.reason is None else f"{one.found}: {visible(one.reason)}"
    flagged = ", flagged" if one.flagged else ""
    return f"score {one.score:.3f}, p {one.p_value:.4f}, q {one.q_value:.4f}{flagged}"
