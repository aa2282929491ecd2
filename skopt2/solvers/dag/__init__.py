"""Directed acyclic graphs of linear models."""
