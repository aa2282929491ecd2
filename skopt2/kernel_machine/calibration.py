r"""Probabilities from scores that were fitted by least squares.

Problem: find the scale s >= 0 of p_k(x) = exp(s f_k(x)) / sum_j exp(s f_j(x)) that
maximises the likelihood of labels that f has not seen. Symbols: H = K + alpha W^-1
(m, m), a = H^-1 Y; the score of row i without that row is

    f_i^(-i) = y_i - a_i / (H^-1)_ii

exactly (Rifkin and Lippert, Notes on regularized least squares, 2007, equation 8).
Rows that are one point are left out together: they are merged first, with the sum of
their weights and the mean of their targets.

Labels are replaced by (N + 1) / (N + 2), N their number, as in Platt, Probabilistic
outputs for support vector machines, 1999: where every label is right the scale would
have no bound.
"""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from skopt2._core.array import asarray_like, cholesky_solve, to_numpy
from skopt2.kernel_machine.sample import Sample
from skopt2.kernels import KernelOperator

# Rows of the problem that is solved for scores of rows left out.
MOST_ROWS = 2000
# Bounds of the logarithm of the scale.
_LOGS = (math.log(1e-3), math.log(1e3))


def leave_one_out_scores(kernel, sample, alpha):
    """Return the scores of rows by models without them.

    Parameters
    ----------
    kernel : Kernel
        Resolved.
    sample : Sample
        Rows of the fit; at most 2000 of them are used, evenly spaced.
    alpha : float
        Strength of the penalty.

    Returns
    -------
    scores : ndarray of shape (m, c)
        float64, in host memory.
    truth : ndarray of shape (m, c)
        Mean targets of the same rows.
    weight : ndarray of shape (m,)
        Their weights.
    """
    n = int(sample.Y.shape[0])
    if n > MOST_ROWS:
        index = np.linspace(0, n - 1, MOST_ROWS).astype(np.int64)
        sample = sample.part(index, index)
    sample = merged(sample)
    m = int(sample.Y.shape[0])
    index = slice(0, m)
    H = KernelOperator(kernel, sample.X).block(index, index)
    H = to_numpy(H).astype(np.float64)
    top = float(np.trace(H)) / m
    H[np.diag_indices(m)] += alpha / sample.unit
    truth = to_numpy(sample.Y).astype(np.float64)
    inverse = None
    jitter = 0.0
    while inverse is None:
        ridge = H + jitter * np.eye(m) if jitter else H
        inverse = cholesky_solve(ridge, np.eye(m))
        jitter = max(10.0 * jitter, 1e-12 * top if top > 0.0 else 1.0)
    scores = truth - (inverse @ truth) / np.diag(inverse)[:, None]
    return scores, truth, np.broadcast_to(sample.unit, (m,))


def merged(sample):
    """Return a sample in which every point stands once.

    Parameters
    ----------
    sample : Sample
        Rows.

    Returns
    -------
    merged : Sample
        With the sum of the weights and the weighted mean of the targets of equal rows.
    """
    X = to_numpy(sample.X)
    _, first, code = np.unique(X, axis=0, return_index=True, return_inverse=True)
    if first.size == X.shape[0]:
        return sample
    code = code.reshape(-1)
    weight = np.broadcast_to(sample.unit, (X.shape[0],))
    total = np.bincount(code, weight)
    Y = to_numpy(sample.Y).astype(np.float64)
    mean = np.stack([np.bincount(code, weight * y) for y in Y.T], axis=1)
    mean /= total[:, None]
    order = np.argsort(first)
    part = sample.part(first[order], first[order])
    return Sample(
        part.X, asarray_like(mean[order], sample.Y), total[order], sample.pairwise
    )


def calibration_scale(scores, truth, weight):
    """Return the scale of scores that makes unseen labels most likely.

    Parameters
    ----------
    scores : ndarray of shape (m, c)
        Of rows that the model has not seen; one column for two classes.
    truth : ndarray of shape (m, c)
        Targets from -1 to 1.
    weight : ndarray of shape (m,) or None
        Weights of the rows.

    Returns
    -------
    scale : float
        Within 1e-3 and 1e3.
    """
    scores = np.asarray(scores, dtype=np.float64)
    share = 0.5 * (1.0 + np.asarray(truth, dtype=np.float64))
    if scores.shape[1] == 1:
        scores = np.concatenate([-scores, scores], axis=1)
        share = np.concatenate([1.0 - share, share], axis=1)
    weight = np.ones(scores.shape[0]) if weight is None else weight
    total, n_classes = float(np.sum(weight)), scores.shape[1]
    doubt = 1.0 / (total + 2.0)
    share = share * (1.0 - doubt) + (1.0 - share) * doubt / (n_classes - 1)

    def loss(log_scale):
        z = math.exp(log_scale) * scores
        terms = logsumexp(z, axis=1) - (share * z).sum(axis=1)
        return float(weight @ terms) / total

    found = minimize_scalar(loss, bounds=_LOGS, method="bounded")
    return float(math.exp(found.x))
