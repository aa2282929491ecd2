"""Algorithms on plain arrays: one algorithm a file, none knows scikit-learn."""
