"""Matrices of low rank from some of their entries, or from linear measurements."""
