"""Which auditors become no page: what the page's small port of the audit does not know is refused by its name."""

from onnxmint.errors import ModelError
from onnxmint.mint.auditor import AuditorContent


def require_known(auditor: AuditorContent) -> None:
    """Refuse an auditor that the page would judge otherwise than an audit does.

    How its images are prepared is never a reason: the page does all that can be declared, and its vectors hold that.

    Raises:
        ModelError: naming what it is.
    """
    if auditor.method.references:
        names = ", ".join(reference.name for reference in auditor.method.references)
        raise ModelError(
            f"a page cannot judge with this auditor: it was trained with reference models ({names}), which a page does "
            "not hold; use onnxmint audit with --auditor"
        )
