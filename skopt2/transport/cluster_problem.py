"""Clusters of histograms: what Lloyd's iterations and their starts ask for."""

from skopt2._core.array import take
from skopt2.solvers.transport.seeding import drawn_by_mass, spread_out
from skopt2.transport.histogram_geometry import MAX_ITER, HistogramDistances

# Tolerance of the marginal error of divergences that only draw centres: the error of
# these is of its square.
ROUGH = 1e-3


class ClusterProblem:
    """Distances and means of the histograms of a sample.

    Parameters
    ----------
    sample : HistogramSample
        Different histograms with their masses.
    geometry : HistogramGeometry
        Ground cost and regularisation.
    target : Target
        Where the arrays are.
    tol : float
        Tolerance of every marginal error.
    """

    def __init__(self, sample, geometry, target, tol):
        self.sample, self.geometry, self.target = sample, geometry, target
        self.tol = tol
        self.distances = HistogramDistances(geometry, tol)
        self.rough = HistogramDistances(geometry, max(tol, ROUGH))
        self.own, self.error = self.distances.own(sample.A)

    def assign(self, P, labels, g):
        """Return distances of all histograms to centres, as an ``Assignment``."""
        with self.target.activate():
            return self.distances.assign(self.sample.A, self.own, P, labels, g)

    def mean(self, members, w, g):
        """Return the barycentre of some histograms, its potentials and error."""
        with self.target.activate():
            B, limits = self._rows(members), {"tol": self.tol, "max_iter": MAX_ITER}
            result, p, g = self.geometry.barycentre(B, w, start=g, **limits)
            return p, g, result.certificate.value

    def divergences(self, ids):
        """Return those of all histograms to some of them, (m, len(ids)), roughly."""
        P, own = self._rows(ids), self.own
        return self.rough.assign(self.sample.A, own, P, keep=False).S

    def seeds(self, init, k, rng):
        """Return the starting centres of one run.

        Parameters
        ----------
        init : {"k-means++", "random"}
            How to draw them.
        k : int
            Number of centres.
        rng : numpy.random.Generator
            Source of the draws.

        Returns
        -------
        P : array of shape (k, n_bins)
        """
        w = self.sample.w
        with self.target.activate():
            if init == "random":
                return self._rows(drawn_by_mass(w, k, rng))
            return self._rows(spread_out(self.divergences, w, k, rng))

    def _rows(self, ids):
        A = self.sample.A
        return take(A, ids)
