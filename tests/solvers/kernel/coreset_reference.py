"""The bound of a coreset from the textbook formulas, in dense float64.

The posterior at the pseudo inputs is a Gaussian N(m, V); f at the rows follows from it
by the conditional of the prior, and the divergence is that of two Gaussians.
"""

import numpy as np


def bound(kernel, Z, U, w, X, Y, noise):
    """Return E_q log p(Y | f) - KL(q || p), for the signal part of a kernel."""
    K = kernel(Z)
    A = K + np.diag(noise / w)
    gain = K @ np.linalg.inv(A)
    m, V = gain @ U, K - gain @ K
    project = kernel(X, Z) @ np.linalg.inv(K)
    mean = project @ m
    cov = kernel(X) - project @ kernel(Z, X) + project @ V @ project.T
    T = Y.shape[1]
    misfit = ((Y - mean) ** 2).sum() + T * np.trace(cov)
    expected = -0.5 * (Y.size * np.log(2.0 * np.pi * noise) + misfit / noise)
    prior = np.linalg.inv(K)
    logs = np.linalg.slogdet(K)[1] - np.linalg.slogdet(V)[1]
    divergence = T * (np.trace(prior @ V) - len(Z) + logs) + np.trace(m.T @ prior @ m)
    return expected - 0.5 * divergence
