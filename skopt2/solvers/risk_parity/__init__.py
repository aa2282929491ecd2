"""Solvers for portfolios whose assets contribute given shares of the risk."""
