"""Which rules and catalogues such a test concerns, and where this report answers: orientation, not legal advice."""

from dataclasses import dataclass

from onnxmint.report.language import Language, mark

AS_OF = "2026-11-26"
"""The day on which the table was last compared with the documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """One document.

    Attributes:
        name: of it, with the place in it.
        text: what it says, and where this report answers.
        lang: of the name, where it is another than the report's.
    """

    name: str
    text: str
    lang: str | None = None


_RULES: tuple[tuple[str, str], ...] = (
    (
        mark("GDPR art. 5(2) and 15; EDPB Opinion 28/2024"),
        mark(
            "Accountability and access; and whether a model is anonymous, for which the opinion names tests against "
            "membership inference among what supervisory authorities may look at. Here: the answer, its error rate, "
            "and what would have been noticed."
        ),
    ),
    (
        mark("AI Act (Regulation (EU) 2024/1689) art. 9(8)"),
        mark(
            "High-risk systems are tested, at the latest before they are placed on the market, against metrics and "
            "probabilistic thresholds that were defined before. Here: what was registered, the level of the test, the "
            "checks."
        ),
    ),
    (
        mark("AI Act art. 53(1)(d); Commission template of 24 July 2025"),
        mark(
            "Providers of general-purpose models publish a summary of the content used for training. Here: a test of "
            "single collections, never a substitute for the list."
        ),
    ),
)
"""Law, which has a name in every language."""
_CATALOGUES: tuple[tuple[str, str], ...] = (
    (
        "ISO/IEC 42001:2023 A.7.3 Acquisition of data, A.7.5 Data provenance",
        mark(
            "How data were acquired and where they come from is documented. Here: hashes of the model and of all "
            "images, and the date."
        ),
    ),
    (
        "NIST AI RMF 1.0 MEASURE 2.7, 2.10",
        mark(
            "Security and resilience are evaluated, privacy risk is examined, and both are documented. Here: all "
            "numbers with their intervals."
        ),
    ),
    (
        "MITRE ATLAS AML.T0024.000 Infer Training Data Membership",
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
"""Standards and catalogues, which are cited by their English titles."""


def frameworks(words: Language) -> list[Framework]:
    """Return each document with what it says and where this report answers, in a language."""
    foreign = None if words.code == "en" else "en"
    return [
        *(Framework(name=words.say(name), text=words.say(text)) for name, text in _RULES),
        *(Framework(name=name, text=words.say(text), lang=foreign) for name, text in _CATALOGUES),
    ]
