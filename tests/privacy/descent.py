"""Plain NumPy DP-GD and DP-SGD with bugs to inject, for the auditor to find."""

import numpy as np
from scipy.special import expit

# Steps of a fit.
N_STEPS = 20


def descent(
    noise_multiplier,
    *,
    n_steps=N_STEPS,
    rate=1.0,
    clip=0.05,
    learning_rate=1e-3,
    bug=None,
    intercept=False,
):
    """Return ``fit(X, y, seed) -> coefficients`` of private logistic regression.

    Parameters
    ----------
    noise_multiplier : float
        Standard deviation of the noise of a step over ``clip``.
    n_steps : int
        Steps.
    rate : float
        Probability with which each row is in the batch of a step.
    clip : float
        Clipping norm of the gradient of a row.
    learning_rate : float
        Step size for the mean gradient.
    bug : str or None
        What is wrong.
    intercept : bool
        Whether the rows have a column of ones.
    """

    def fit(X, y, seed):
        rng = np.random.default_rng(0 if bug == "fixed seed" else seed)
        Z = np.c_[X, np.ones(len(X))] if intercept else X
        n, p = Z.shape
        w = np.zeros(p)
        norm_of = X if bug == "intercept outside of the norm" else Z
        norms = np.linalg.norm(norm_of, axis=1)
        # A row of zeros is no row.
        there = np.any(X != 0, axis=1)
        std = noise_multiplier * clip
        if bug == "half the noise":
            std /= 2
        if bug == "clipping norm forgotten in the noise":
            # Rows are clipped to twice what the noise is for.
            std /= 2
        if bug == "noise for one step":
            std /= np.sqrt(n_steps)
        sampled = bug not in ("full batch", "shuffled batches")
        order, size = rng.permutation(n), max(1, int(rate * n))
        for step in range(n_steps):
            batch = there.copy()
            if rate < 1 and sampled:
                batch &= rng.random(n) < rate
            if bug == "shuffled batches":
                at = step * size % n
                chosen = np.take(order, np.arange(at, at + size), mode="wrap")
                batch &= np.isin(np.arange(n), chosen)
            residual = np.where(batch, expit(Z @ w) - y, 0.0)
            size_of = np.abs(residual) * norms
            with np.errstate(divide="ignore", invalid="ignore"):
                factor = np.where(size_of > clip, clip / size_of, 1.0)
            if bug == "clipped copy not used" or bug == "batch clipped as a whole":
                factor = np.ones(n)
            gradient = Z.T @ (factor * residual)
            if bug == "batch clipped as a whole":
                mean_norm = np.linalg.norm(gradient) / n
                gradient *= min(1.0, clip / mean_norm) if mean_norm > 0 else 1.0
            noise = rng.normal(scale=std, size=p) if std else np.zeros(p)
            if bug == "noise of the sum added to the mean over rows":
                noise /= n
            if bug == "no noise in the last step" and step == n_steps - 1:
                noise *= 0
            if bug == "one noise for all steps":
                noise = np.random.default_rng(seed).normal(scale=std, size=p)
            w -= learning_rate * (gradient + noise) / (rate * n)
        return w

    return fit
