"""From scores to the answer: the yardstick, what counts as one, p-values of images, the set in words."""
