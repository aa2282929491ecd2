"""Bilevel problems: hyperparameters whose fit is judged on other samples."""
