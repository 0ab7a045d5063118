"""What workflows return, as typed values, and the one way to JSON and back."""
