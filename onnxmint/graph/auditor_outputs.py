"""What the outputs of an auditor's graph are called."""

SCORE, P_VALUE, ANSWER, SCORES = "score", "p_value", "answer", "scores"
"""The score and its p-value, the target's class scores, and after cross-fitting the score of every network."""
LEVEL, FREE, FREE_LEVEL = "level", "free", "free_level"
"""With several views the mean log-odds over them; where labels are told, the score and the level without them."""
HARDNESS = "hardness"
"""The references' mean log-odds, where the module compares with them."""
