"""Help as Markdown, one file a topic: see cli/help.py."""
