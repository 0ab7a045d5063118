"""Statistics of membership tests: numpy arrays in, frozen values out; no word of images or models in here."""
