"""The command line: one file a command; options become one call into the library and a result on stdout."""
