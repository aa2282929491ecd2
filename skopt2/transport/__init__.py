"""Optimal transport with entropic regularisation."""

from skopt2.transport.barycenter import wasserstein_barycenter
from skopt2.transport.barycenter_estimator import WassersteinBarycenter
from skopt2.transport.barycenter_result import BarycenterResult
from skopt2.transport.batch import BatchTransportResult, sinkhorn_batch
from skopt2.transport.divergence import DivergenceResult, sinkhorn_divergence
from skopt2.transport.gromov import gromov_wasserstein
from skopt2.transport.gromov_result import GromovResult
from skopt2.transport.mirror import MirrorSinkhorn
from skopt2.transport.monge_gap import MongeGap, monge_gap
from skopt2.transport.monge_gap_map import MongeGapMap
from skopt2.transport.objectives import (
    GroupLassoObjective,
    LinearObjective,
    QuadraticObjective,
)
from skopt2.transport.point_cloud import PointCloud
from skopt2.transport.reference_transport import ReferenceTransport
from skopt2.transport.result import TransportResult
from skopt2.transport.sinkhorn import sinkhorn
from skopt2.transport.sinkhorn_distance import SinkhornDistance
from skopt2.transport.sinkhorn_transport import SinkhornTransport
from skopt2.transport.sliced import SlicedResult, sliced_wasserstein
from skopt2.transport.unbalanced import UnbalancedResult
from skopt2.transport.wasserstein_kmeans import WassersteinKMeans

__all__ = [
    "BarycenterResult",
    "BatchTransportResult",
    "DivergenceResult",
    "GromovResult",
    "GroupLassoObjective",
    "LinearObjective",
    "MirrorSinkhorn",
    "MongeGap",
    "MongeGapMap",
    "PointCloud",
    "QuadraticObjective",
    "ReferenceTransport",
    "SinkhornDistance",
    "SinkhornTransport",
    "SlicedResult",
    "TransportResult",
    "UnbalancedResult",
    "WassersteinBarycenter",
    "WassersteinKMeans",
    "gromov_wasserstein",
    "monge_gap",
    "sinkhorn",
    "sinkhorn_batch",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "wasserstein_barycenter",
]


def __dir__():
    return __all__
