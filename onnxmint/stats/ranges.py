"""Types of numbers that lie within a range: whoever reads one from a file refuses what lies outside.

A file may come from a stranger, and a rate of 1e308 or a million folds would be believed by all that is computed of it.
"""

from typing import Annotated

from msgspec import Meta

Count = Annotated[int, Meta(ge=0, le=1 << 53)]
"""Images, bytes, units: what a number of JSON holds exactly."""
Few = Annotated[int, Meta(ge=0, le=1000)]
"""Views, folds, networks: what is done over and over."""
Share = Annotated[float, Meta(ge=0.0, le=1.000001)]
"""A rate, a probability, an AUC, a p-value; the end leaves room for the mean of probabilities in single precision."""
Signed = Annotated[float, Meta(ge=-1.000001, le=1.000001)]
"""The difference of two of these."""
