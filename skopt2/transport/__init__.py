"""Optimal transport with entropic regularisation."""

from skopt2.transport.point_cloud import PointCloud
from skopt2.transport.result import TransportResult
from skopt2.transport.sinkhorn import sinkhorn

__all__ = ["PointCloud", "TransportResult", "sinkhorn"]
