"""An audit result as terminal summary, files and HTML page."""
