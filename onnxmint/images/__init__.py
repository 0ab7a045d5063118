"""Where images come from and how they become the pixels a target expects."""
