"""MINT modules: the networks that tell members from non-members, how they are fitted, and the one-file auditor."""
