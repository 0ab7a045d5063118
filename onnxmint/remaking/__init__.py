"""A target's graph made anew in PyTorch: its operators, its weights, the network, its training, and the way back."""
