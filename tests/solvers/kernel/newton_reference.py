"""Online Newton and gradient steps with every row in the basis, as they are defined."""

import numpy as np


def online_newton(K, Y, loss, alpha, curvature, clip=np.inf, constant=True):
    """Return the predictions of Newton steps in the whole space of the rows.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Positive definite kernel matrix of all rows.
    Y : ndarray of shape (c, n)
        Targets.
    loss : Loss
        Differentiable in the prediction.
    alpha : float
        Ridge.
    curvature : callable
        ``curvature(y, z, slope)`` returns what multiplies phi phi'.
    clip : float
        Bound on predictions.
    constant : bool
        Whether there is an intercept.
    """
    Phi = np.linalg.cholesky(K)
    if constant:
        Phi = np.column_stack([np.ones(len(K)), Phi])
    Z = np.empty(Y.shape)
    for output, targets in enumerate(Y):
        w, A = np.zeros(Phi.shape[1]), alpha * np.eye(Phi.shape[1])
        for t, (phi, y) in enumerate(zip(Phi, targets, strict=True)):
            z = w @ phi
            if abs(z) > clip:
                direction = np.linalg.solve(A, phi)
                w = w - (z - np.sign(z) * clip) / (phi @ direction) * direction
                z = w @ phi
            Z[output, t] = z
            slope = float(loss.gradient(np.array([y]), np.array([z]))[0])
            A = A + curvature(y, z, slope) * np.outer(phi, phi)
            w = w - slope * np.linalg.solve(A, phi)
    return Z


def online_gradient(K, y, loss, step):
    """Return the predictions of gradient steps step(t) in the space of the kernel."""
    a, z = np.zeros(len(y)), np.empty(len(y))
    for t in range(len(y)):
        z[t] = K[t, :t] @ a[:t]
        a[t] = -step(t) * float(loss.gradient(y[t : t + 1], z[t : t + 1])[0])
    return z
