"""An audit in the forms of other tools: pure functions of its result, one file a form, all in `table.py`."""
