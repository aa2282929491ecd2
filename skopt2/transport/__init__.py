"""Optimal transport with entropic regularisation."""

from skopt2.transport.result import TransportResult
from skopt2.transport.sinkhorn import sinkhorn

__all__ = ["TransportResult", "sinkhorn"]
