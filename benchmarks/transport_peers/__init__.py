"""Adapters of the transport solvers: one library a file."""
