"""Where images are, opened safely, and what they look like without a model."""
