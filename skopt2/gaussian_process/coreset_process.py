"""Scikit-learn's kernel objects as sums of terms with derivatives in their points.

A kernel of ``sklearn.gaussian_process.kernels`` is expanded into a sum of products of
constants with one radial kernel at most. All its parameters are positive and enter as
logarithms, the fixed ones too: phi (q,), in the order of scikit-learn's ``theta``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    Kernel,
    Matern,
    Product,
    Sum,
    WhiteKernel,
)

from skopt2.gaussian_process.coreset_start import spread
from skopt2.solvers.kernel.coreset_kernel import SMOOTHNESS, Term, TermSum


@dataclass(frozen=True)
class Process:
    """A kernel object, term by term.

    Parameters
    ----------
    kernel : sklearn kernel
        What was expanded.
    terms : TermSum
        Its terms.
    phi : ndarray of shape (q,)
        Logarithms of its parameters.
    low, high : ndarray of shape (q,)
        Bounds of phi; of no meaning for fixed parameters.
    free : ndarray of shape (q,)
        1.0 for parameters that are learnt, else 0.0.
    """

    kernel: Any
    terms: TermSum
    phi: np.ndarray
    low: np.ndarray
    high: np.ndarray
    free: np.ndarray

    def at(self, phi):
        """Return the kernel object with other values of the free parameters.

        Parameters
        ----------
        phi : ndarray of shape (q,)
            Logarithms of all parameters.

        Returns
        -------
        kernel : sklearn kernel
            A clone.
        """
        return self.kernel.clone_with_theta(phi[self.free > 0.0])


def default_kernel(X, Y):
    """Return the kernel of a model that was given none.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows, or a sample of them.
    Y : ndarray of shape (n, T)
        Their targets.

    Returns
    -------
    kernel : sklearn kernel
        A constant times Matern-3/2 with a length scale for each feature, and white
        noise, in the units of the data.
    """
    # At sqrt(d) standard deviations for each feature, two rows are about two apart.
    scales = spread(X) * np.sqrt(X.shape[1])
    power = float(np.mean(np.square(Y))) or 1.0
    around = np.array([1e-5, 1e5])
    return ConstantKernel(power, power * around) * Matern(
        scales, scales[:, None] * around, nu=1.5
    ) + WhiteKernel(0.1 * power, 0.1 * power * around)


def expand(kernel, n_features):
    """Expand a kernel object of scikit-learn.

    Parameters
    ----------
    kernel : sklearn kernel
        Sums and products of constants, white noise, RBF, and Matern kernels of the
        smoothness 0.5, 1.5, 2.5 or infinity.
    n_features : int
        Features of the rows.

    Returns
    -------
    process : Process
        Its terms and parameters.

    Raises
    ------
    ValueError
        If the kernel has other parts, no part that depends on the rows, a product of
        two that do, or parameters that do not fit.
    """
    if not isinstance(kernel, Kernel):
        raise ValueError(
            "kernel must be a kernel object of sklearn.gaussian_process.kernels, or "
            f"None; got kernel={kernel!r}."
        )
    low, high, phi, free = [], [], [], []
    values = kernel.get_params()
    for parameter in kernel.hyperparameters:
        value = np.atleast_1d(np.asarray(values[parameter.name], dtype=np.float64))
        if not (np.isfinite(value) & (value > 0.0)).all():
            raise ValueError(
                f"{parameter.name} of the kernel must be positive and finite; got "
                f"{values[parameter.name]!r} in kernel={kernel!r}."
            )
        count = value.size
        bounds = np.broadcast_to([[1.0, 1.0]], (count, 2))
        if not parameter.fixed:
            bounds = np.broadcast_to(parameter.bounds, (count, 2))
        phi.append(np.log(value))
        with np.errstate(divide="ignore"):
            low.append(np.log(bounds[:, 0].astype(np.float64)))
            high.append(np.log(bounds[:, 1].astype(np.float64)))
        free.append(np.full(count, 0.0 if parameter.fixed else 1.0))
    terms, used = _terms(kernel, 0, n_features)
    phi = np.concatenate(phi) if phi else np.empty(0)
    if not any(term.nu is not None for term in terms):
        raise ValueError(
            f"kernel={kernel!r} has no RBF or Matern part, so its functions do not "
            "depend on X: add one, such as 1.0 * RBF(1.0)."
        )
    return Process(
        kernel,
        TermSum(terms),
        phi,
        np.concatenate(low),
        np.concatenate(high),
        np.concatenate(free),
    )


def _terms(kernel, start, n_features):
    """Return the terms of a kernel, and the number after that of its last parameter."""
    if isinstance(kernel, Sum | Product):
        left, middle = _terms(kernel.k1, start, n_features)
        right, stop = _terms(kernel.k2, middle, n_features)
        if isinstance(kernel, Sum):
            return left + right, stop
        return [_times(a, b, kernel) for a in left for b in right], stop
    if isinstance(kernel, ConstantKernel):
        return [Term((start,))], start + 1
    if isinstance(kernel, WhiteKernel):
        return [Term((start,), white=True)], start + 1
    nu = float("inf") if type(kernel) is RBF else getattr(kernel, "nu", None)
    if type(kernel) not in (RBF, Matern) or nu not in SMOOTHNESS:
        raise ValueError(
            "kernel may consist of ConstantKernel, WhiteKernel, RBF, and Matern with "
            f"nu=0.5, 1.5, 2.5 or inf, which have derivatives in X; got {kernel!r}. "
            "GaussianProcessRegressor takes all kernels."
        )
    count = np.size(kernel.length_scale)
    if count not in (1, n_features):
        raise ValueError(
            f"length_scale of {kernel!r} has {count} values, but X has {n_features} "
            "features: give one value, or one for each."
        )
    return [Term((), float(nu), tuple(range(start, start + count)))], start + count


def _times(a, b, kernel):
    """Return the product of two terms."""
    if a.nu is not None and b.nu is not None:
        raise ValueError(
            f"kernel={kernel!r} multiplies two kernels of the distance: use their sum, "
            "or one of them with a length scale for each feature."
        )
    either = a if a.nu is not None else b
    amplitude = a.amplitude + b.amplitude
    if a.white or b.white:
        # White noise is 0 off the diagonal, where all else is its own variance.
        return Term(amplitude, white=True)
    return Term(amplitude, either.nu, either.lengths)
