"""Ways to tell members from non-members without a fitted module: signals, reference models, how they compare."""
