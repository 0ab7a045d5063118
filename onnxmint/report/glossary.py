"""Ten terms for readers who are no statisticians, and the threat that an audit measures, by its public name."""

from onnxmint.report.language import Language, mark

_TERMS: tuple[tuple[str, str], ...] = (
    (
        mark("Image classifier (model)"),
        mark("A program that names what an image shows; it learned that from many example images."),
    ),
    (
        mark("Was trained on, was not trained on"),
        mark(
            "An image was trained on if the model learned from it. Experts call such images members, and all others "
            "non-members."
        ),
    ),
    (mark("Questioned images"), mark("The images that this audit was asked about.")),
    (
        mark("Known images (evidence)"),
        mark("Images of which somebody vouches that the model was trained on them, or that it was not."),
    ),
    (
        mark("Score"),
        mark(
            "How a model treats an image, in one number: higher means more like images that it was trained on. It has "
            "a meaning only beside the scores of known images."
        ),
    ),
    (
        mark("AUC"),
        mark(
            "How often an image that was trained on scores higher than one that was not, if one of each is drawn: 0.5 "
            "is guessing, 1 is never wrong."
        ),
    ),
    (
        mark("95% interval"),
        mark("The range in which the true number lies in 95 of 100 such audits. Wide means: little is known."),
    ),
    (
        mark("p-value"),
        mark(
            "How often images that were not trained on would look at least as much like it by chance. It is not the "
            "probability that an image was left out."
        ),
    ),
    (
        mark("Check for other explanations (control)"),
        mark(
            "A test with means that know nothing of the training: if it sees a difference too, the difference may have "
            "another cause."
        ),
    ),
    (
        mark("Near copies"),
        mark("Images that show the same but for size, cut or compression. They count once."),
    ),
)
THREAT = mark("ML04:2023 Membership Inference Attack")
"""Identifier and title in OWASP's Machine Learning Security Top Ten, 2023."""
_THREAT = mark(
    "The threat measured here is listed by OWASP as {threat}: whoever can question a model finds out whether certain "
    "data were used to train it, though nobody told them."
)


def glossary(language: Language) -> list[tuple[str, str]]:
    """Return terms with what they mean."""
    return [(language.say(term), language.say(meaning)) for term, meaning in _TERMS]


def threat(language: Language) -> str:
    """Return what is measured, as a threat to whom the images belong."""
    return language.say(_THREAT, threat=f"“{THREAT}”")
