"""Places beyond this machine: what a URI means, how it is read and written, and that no secret of it is ever shown."""
