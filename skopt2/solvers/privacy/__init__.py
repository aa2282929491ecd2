"""Differential privacy: mechanisms, what they cost, and solvers that pay for it.

Nothing is imported here: each file stands alone, and those that only account for
privacy need no more than NumPy and ``scipy.special``.
"""
