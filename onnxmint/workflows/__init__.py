"""What a user can ask for, each read from top to bottom: training, auditing, evaluating, checking, planning, exposing.

The other files are steps of these: `opening` and `questioning` (with `aligning`) of an audit, `watching` of a training.
"""
