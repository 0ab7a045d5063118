"""Which rules and catalogues ask for such a test, and where this report answers: orientation, not legal advice."""

from onnxmint.report.language import Language, mark

AS_OF = "2026-11-25"
"""The day on which the table was last compared with the documents."""
_ROWS: tuple[tuple[str, str], ...] = (
    (
        "GDPR art. 5(2), 15; EDPB Opinion 28/2024",
        mark(
            "Accountability, access, and whether a model is anonymous: the opinion asks for tests against membership "
            "inference. Here: the answer, its error rate, and what would have been noticed."
        ),
    ),
    (
        "AI Act art. 9",
        mark(
            "High-risk systems are tested against measures that were fixed beforehand. Here: what was registered, the "
            "level of the test, the checks."
        ),
    ),
    (
        "AI Act art. 53(1)(d), template of 24 July 2025",
        mark(
            "Providers of general-purpose models publish a summary of their training content. Here: a test of single "
            "collections, never a substitute for the list."
        ),
    ),
    (
        "ISO/IEC 42001 A.7.3, A.7.5",
        mark("Acquisition and origin of data are recorded. Here: hashes of the model and of all images, and the date."),
    ),
    (
        "NIST AI RMF MEASURE 2.7, 2.10",
        mark("Risks to security and privacy are measured and documented. Here: all numbers with their intervals."),
    ),
    (
        "MITRE ATLAS AML.T0024.000",
        mark(
            "The technique of inferring membership in training data. Here: how well images that were trained on can be "
            "told from others."
        ),
    ),
    (
        "OWASP ML04:2023 Membership Inference Attack",
        mark(
            "Named by identifier and title only. Here it means: to tell from the answers of a model whether an image "
            "was among those that it was trained on."
        ),
    ),
)


def frameworks(words: Language) -> list[tuple[str, str]]:
    """Return the name of each document, and what it asks and where this report answers, in a language."""
    return [(name, words.say(text)) for name, text in _ROWS]
