"""Adapters of the libraries of differentially private learning."""
