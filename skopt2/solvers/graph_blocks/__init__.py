"""Quadratic problems on graphs by block coordinate descent on forests."""
