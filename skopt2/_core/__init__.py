"""Plumbing shared by every part of skopt2; imports no other part of it."""
