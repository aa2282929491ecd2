"""Entropic optimal transport: geometries, and the solvers that run on them."""
