"""What is written: whole or not at all, never over an input, never over a result, and nothing left behind."""
