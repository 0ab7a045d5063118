"""Which auditors become no page: what the page's small port of the audit does not know is refused by its name."""

from collections.abc import Iterator

from onnxmint.errors import ModelError
from onnxmint.mint.auditor import AuditorContent
from onnxmint.preprocess.spec import PreprocessSpec

KNOWN = {"resampler": "pillow", "transparency": "drop", "orientation": "ignore"}
"""Of a preparation what the page does, by its field; other fields may say whatever they can."""


def require_known(auditor: AuditorContent) -> None:
    """Refuse an auditor that the page would judge otherwise than an audit does.

    Raises:
        ModelError: naming what it is.
    """
    wrong = next(_unknown(auditor), None)
    if wrong is not None:
        raise ModelError(f"a page cannot judge with this auditor: {wrong}; use onnxmint audit with --auditor")


def _unknown(auditor: AuditorContent) -> Iterator[str]:
    yield from _of_images(auditor.preprocess)
    if auditor.method.references:
        names = ", ".join(reference.name for reference in auditor.method.references)
        yield f"it was trained with reference models ({names}), which a page does not hold"


def _of_images(spec: PreprocessSpec) -> Iterator[str]:
    for name, known in KNOWN.items():
        found = getattr(spec, name)
        if found != known:
            yield f"its images are prepared with {name} = {found!r}, and the page knows {known!r} only"
