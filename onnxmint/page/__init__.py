"""An auditor as one page: images are judged where they are, by a browser, and never leave their owner's machine."""
