"""Dictionaries of histograms under entropic transport."""
