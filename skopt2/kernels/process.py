"""Kernels of scikit-learn's Gaussian processes, beside the kernels here.

K_ij = s(x_i, x_j) + [i = j] w(x_i): the signal s is a function of two points, the noise
w comes from the white parts. theta holds the logarithms of the parameters that are not
fixed, in scikit-learn's order.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, section 4.2.4 (sums, products) and equation 5.9 (what the gradient is for).
"""

import functools

import numpy as np

from skopt2._core.array import accumulation_dtype, asarray_like, to_numpy
from skopt2.kernels.base import Kernel
from skopt2.kernels.from_pairwise import is_process_kernel
from skopt2.kernels.points import check_points
from skopt2.kernels.process_gradient import process_gradient
from skopt2.kernels.process_noise import has_white, noise_of
from skopt2.kernels.process_signal import signal_of


class ProcessKernel:
    """Kernel object of scikit-learn's Gaussian processes: signal, noise, parameters.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels, or Kernel
        A kernel of :mod:`skopt2.kernels` is its own signal, and has no ``theta``.

    Attributes
    ----------
    kernel : object
        As it was given.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    >>> from skopt2.kernels import DenseWeights, ProcessKernel
    >>> process = ProcessKernel(2.0 * RBF(3.0) + WhiteKernel(0.1))
    >>> process.signal
    Scaled(kernel=Gaussian(length_scale=3.0), variance=2.0)
    >>> process.noise([[0.0], [1.0]])
    0.1
    >>> weights = DenseWeights(np.eye(2))
    >>> process.gradient([[0.0], [1.0]], weights).round(6).tolist()
    [4.0, 0.0, 0.2]
    """

    def __init__(self, kernel):
        if isinstance(kernel, type) or not (
            isinstance(kernel, Kernel) or is_process_kernel(kernel)
        ):
            raise ValueError(
                f"kernel={kernel!r} is no kernel object: use one of "
                "sklearn.gaussian_process.kernels such as RBF(1.0), or of "
                "skopt2.kernels."
            )
        self.kernel = kernel

    def __repr__(self):
        """Name of the class around the kernel."""
        return f"ProcessKernel({self.kernel!r})"

    @property
    def has_theta(self):
        """Whether the kernel is one of scikit-learn's, with parameters to fit."""
        return not isinstance(self.kernel, Kernel)

    @property
    def theta(self):
        """Logarithms of the parameters that are not fixed, ndarray (n_theta,)."""
        if not self.has_theta:
            return np.empty(0)
        return np.asarray(self.kernel.theta, dtype=np.float64)

    @property
    def bounds(self):
        """Logarithms of the bounds of the parameters, ndarray (n_theta, 2)."""
        if not self.has_theta:
            return np.empty((0, 2))
        return np.asarray(self.kernel.bounds, dtype=np.float64).reshape(-1, 2)

    def with_theta(self, theta):
        """Return the kernel with other parameters.

        Parameters
        ----------
        theta : array-like of shape (n_theta,)
            Logarithms of the parameters.

        Returns
        -------
        process : ProcessKernel
            This one is left as it is.

        Raises
        ------
        ValueError
            If the number of values is wrong.
        """
        theta = np.asarray(theta, dtype=np.float64)
        if theta.shape != self.theta.shape:
            raise ValueError(
                f"theta has shape {theta.shape}; {self.kernel!r} has "
                f"{self.theta.size} parameters that are not fixed."
            )
        if not self.has_theta:
            return self
        return ProcessKernel(self.kernel.clone_with_theta(theta))

    @functools.cached_property
    def signal(self):
        """Part that is a function of two points, a :class:`Kernel` in its fast form.

        Constants, RBF, Matern of nu 1/2, 3/2, 5/2 and infinity, rational quadratic and
        dot product kernels have one, and sums, products and most powers of them. Other
        parts are computed by scikit-learn, tile by tile.
        """
        return signal_of(self.kernel) if self.has_theta else self.kernel

    @property
    def is_noisy(self):
        """Whether there is a white part."""
        return self.has_theta and has_white(self.kernel)

    def noise(self, X):
        """Variance that the white parts add on the diagonal.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Points.

        Returns
        -------
        noise : float or array of shape (n,)
            A number where it is the same for all points, else in float64 beside X.
        """
        if not self.is_noisy:
            return 0.0
        X = check_points(X, "X")
        host = np.asarray(to_numpy(X), dtype=np.float64)
        noise = noise_of(self.kernel, host).value
        if np.ndim(noise) == 0:
            return float(noise)
        return asarray_like(noise, X, accumulation_dtype(X))

    def gradient(self, X, weights, *, n_threads=None, budget=None):
        """Return sum_ij G_ij dK_ij / dtheta for all parameters that are not fixed.

        K is the kernel matrix of the points with its white parts. Neither it nor its
        derivatives are kept: tiles of them are computed, used and forgotten.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Points; float32 ones are computed in float32, with sums in float64.
        weights : DenseWeights or OuterWeights
            G.
        n_threads : int or None, default=None
            Threads on the host; None for as many as the BLAS may use.
        budget : int or None, default=None
            Bytes for blocks on a device; None for a share of its free memory.

        Returns
        -------
        gradient : ndarray of shape (n_theta,)
            In float64, by the logarithms of the parameters.

        Raises
        ------
        TypeError
            If the weights are none of the two.
        ValueError
            If the numbers of points and weights differ.
        """
        if not self.has_theta:
            return np.empty(0)
        return process_gradient(self.kernel, X, weights, n_threads, budget)
