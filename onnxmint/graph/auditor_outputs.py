"""What the outputs of an auditor's graph are called."""

SCORE, P_VALUE, ANSWER, SCORES, LEVEL, FREE = "score", "p_value", "answer", "scores", "level", "free"
"""Score, its p-value, the target's class scores; after cross-fitting the score of every network; with several views the
mean log-odds over them; where labels are told the scores without them.
"""
