"""What a user can ask for, each read from top to bottom: training, auditing, evaluating, checking, planning."""
