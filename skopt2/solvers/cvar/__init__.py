"""Conditional value at risk: proximal points with Newton steps, and SPL+."""
