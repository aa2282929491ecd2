"""The quadratic problem of label propagation, and its certificate.

Problem: minimise over F (n, k)

    E(F) = sum_{i<j} w_ij |f_i - f_j|^2 / 2 + sum_{i, l} v_il |f_i - y_l|^2 / 2,

subject to low <= F <= high, elementwise. Up to a constant it is
tr(F' A F) / 2 - tr(B' F).

- w (n, n) symmetric, >= 0: weights among the free nodes; v (n, m): to the nodes with
  fixed values y (m, k);
- A (n, n) = diag(w 1 + v 1) - w; B (n, k) = v y; R = B - A F is the negative gradient.

A is an M-matrix. Where each component of the graph has a fixed node it is positive
definite, and the minimiser without bounds is within the range of y by the discrete
maximum principle. For low and high at or outside of that range the two problems thus
have one solution, and for every G in the box, by convexity,
E(G) >= E(F) - <R, G - F>. The largest right-hand term over the box,

    gap(F) = sum_ij max(R_ij (low - F_ij), R_ij (high - F_ij)),

bounds E(F) - E* for both, with no need of the smallest eigenvalue of A. It is given
relative to the least energy of values that do not differ from node to node: that of the
minimum is zero where no component has labels of two classes.

Sources: X. Zhu, Z. Ghahramani, J. Lafferty, Semi-supervised learning using Gaussian
fields and harmonic functions, ICML 2003; J. Nutini, I. Laradji, M. Schmidt, Let's make
block coordinate descent converge faster, JMLR 23, 2022; the gap is that of M. Jaggi,
Revisiting Frank-Wolfe, ICML 2013, equation 2.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

# Rounding errors of a residual, in units of the machine precision.
ROUNDINGS = 8.0


@dataclass(frozen=True, eq=False)
class GraphProblem:
    """Quadratic of a graph with fixed nodes.

    Parameters
    ----------
    A : ndarray or csr_array of shape (n, n)
        Symmetric and positive definite, off-diagonal elements not positive.
    B : ndarray of shape (n, k)
        Linear term.
    low, high : float
        Box of the values.
    bounded : bool
        Whether the box is a constraint, or only holds at the solution.
    constant : float
        Energy at F = 0.
    scale : float
        Least energy of values that are the same at all nodes.
    """

    A: Any
    B: np.ndarray
    low: float
    high: float
    bounded: bool
    constant: float
    scale: float

    @property
    def diagonal(self):
        """Diagonal of A, of shape (n,)."""
        return self.A.diagonal()

    def residual(self, F):
        """Return the negative gradient, of shape (n, k)."""
        return self.B - self.A @ F

    def energy(self, F, R):
        """Return the objective at F, whose residual is R."""
        return self.constant - 0.5 * float(np.sum(F * (self.B + R)))

    def gap(self, F, R):
        """Return a bound on the energy above the minimum; F may leave an open box."""
        down, up = R * (self.low - F), R * (self.high - F)
        return float(np.sum(np.maximum(down, up)))

    def floor(self):
        """Return the gap that is no more than rounding."""
        width = max(abs(self.low), abs(self.high))
        scale = float(np.sum(self.diagonal)) * self.B.shape[1] * width**2
        return ROUNDINGS * np.finfo(np.float64).eps * scale


def free_part(F, R, problem):
    """Return which values may move: all but those held at a bound by the gradient.

    Parameters
    ----------
    F, R : ndarray of shape (n, k)
        Values and negative gradient.
    problem : GraphProblem
        With the bounds.

    Returns
    -------
    free : ndarray of bool of shape (n, k), or None
        None without bounds: all.
    """
    if not problem.bounded:
        return None
    held = ((problem.low >= F) & (R < 0.0)) | ((problem.high <= F) & (R > 0.0))
    return ~held


def graph_problem(graph, fixed, values, bounds=None):
    """Return the problem of the nodes that are not fixed.

    Parameters
    ----------
    graph : csr_array or ndarray of shape (n, n)
        Symmetric nonnegative weights; the diagonal has no effect.
    fixed : ndarray of bool of shape (n,)
        Nodes with known values; at least one in each component of the graph.
    values : ndarray of shape (n_fixed, k)
        Those values.
    bounds : tuple of two floats, default=None
        Box of the others; None for no constraint.

    Returns
    -------
    problem : GraphProblem
        Its rows are the nodes that are not fixed, in their order.
    """
    inner, outer = graph[~fixed][:, ~fixed], graph[~fixed][:, fixed]
    own = inner.diagonal()
    degree = np.asarray(inner.sum(axis=1)).ravel() - own
    degree = degree + np.asarray(outer.sum(axis=1)).ravel()
    if sp.issparse(graph):
        A = sp.csr_array(sp.diags_array(degree + own) - inner)
        A.sort_indices()
    else:
        A = np.diag(degree + own) - inner
    to_fixed = np.asarray(outer.sum(axis=0)).ravel()
    constant = 0.5 * float(to_fixed @ np.sum(values**2, axis=1))
    mean = to_fixed @ values / max(float(np.sum(to_fixed)), np.finfo(np.float64).tiny)
    scale = 0.5 * float(to_fixed @ np.sum((values - mean) ** 2, axis=1))
    low, high = bounds or (float(np.min(values)), float(np.max(values)))
    box = float(low), float(high), bounds is not None
    return GraphProblem(A, outer @ values, *box, constant, scale)
