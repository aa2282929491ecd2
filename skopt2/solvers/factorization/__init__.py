"""Solvers for constrained matrix and tensor factorisations, block by block."""
