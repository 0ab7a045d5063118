"""Preprocessing as others declare it: one module a source, each turns its facts into a PreprocessSpec or refuses."""
