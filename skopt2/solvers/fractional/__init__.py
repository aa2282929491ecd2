"""Minimisation of a ratio, one coordinate at a time and by gradient steps."""
