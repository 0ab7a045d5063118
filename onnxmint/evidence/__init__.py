"""Known and questioned images as tables: listed, looked at, copies settled, divided into parts."""
