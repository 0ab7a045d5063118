"""Shows images to a model: target, probe (what is asked), observations (what came back)."""
