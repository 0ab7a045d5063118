"""Statistics of membership tests: numpy arrays in, frozen values out; nothing here knows what an image or a model is."""
