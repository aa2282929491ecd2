"""Adapters of the Gaussian process libraries."""
