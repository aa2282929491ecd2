"""Kernel systems, and the choice of the rows that a kernel model is built on."""
