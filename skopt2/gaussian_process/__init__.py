"""Gaussian processes: regression, approximations of it, and search built on it."""

__all__ = []
