"""Choosing models without refitting them for every fold."""

__all__ = []
