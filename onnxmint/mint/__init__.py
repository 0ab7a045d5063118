"""MINT modules: the networks that tell members from non-members, how they are fitted, and the one-file auditor."""

import os

# PyTorch's threads wait for each other by spinning unless told otherwise before it is loaded. Where another process
# wants the cores too, or a container's quota ends, that took five times as long and as much power as the work itself.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
