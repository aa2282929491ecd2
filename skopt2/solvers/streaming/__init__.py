"""Stochastic proximal methods for rows that come in minibatches."""
