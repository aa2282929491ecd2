"""Sparse inverses of covariance matrices."""
