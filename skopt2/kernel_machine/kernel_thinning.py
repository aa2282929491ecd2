"""Few rows that stand for a sample, by generalised kernel thinning."""

import math

from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from skopt2._core import cuda
from skopt2._core.array import asarray_like, index_like, move, take, to_numpy
from skopt2._core.named_objects import NamedObjects
from skopt2._core.parameters import check_choice, check_count, check_number
from skopt2._core.random import spawn
from skopt2._core.shared_parameters import check_shared
from skopt2._core.transfer import convert, is_array
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.kernels import KernelOperator, get_kernel
from skopt2.solvers.kernel.kernel_thinning import thin
from skopt2.solvers.kernel.power_kernel import power_kernel

VARIANTS = ("target", "power", "plus")


class KernelThinning(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, NamedObjects, BaseEstimator
):
    r"""Choose rows whose kernel mean is that of the whole sample.

    The rows :math:`S` make the maximum mean discrepancy to the sample small,

    .. math:: \mathrm{MMD}(S) = \max_{\|f\|_k \le 1} \Big| \frac1n \sum_{i=1}^n f(x_i)
              - \frac1{|S|} \sum_{x \in S} f(x) \Big|,

    the largest error of an average over :math:`S` among all functions of norm one in
    the space of the kernel. It falls like :math:`1 / |S|` up to logarithms for smooth
    kernels, where rows drawn at random give :math:`1 / \sqrt{|S|}`: the square root of
    n thinned rows are about as good as all n are as a sample of their distribution.
    The time is :math:`O(n^2)` kernel values, and no matrix of that size is stored.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Kernel, see :func:`skopt2.kernels.get_kernel`.
    size : int, default=None
        Rows to choose, from 1 to n; None for the square root of n, rounded down.
    length_scale : float, array of shape (n_features,) or "median", default="median"
        Of a kernel given by its name; "median" is the median distance between rows.
    variant : {"target", "power", "plus"}, default="target"
        What drives the halving of the sample: the kernel itself, a rougher power of
        it, which has the better guarantee for kernels that are not smooth, or the sum
        of both, which inherits both guarantees. Powers are known of gaussian, laplacian
        and matern kernels; that of the laplacian one takes several times as long.
    delta : float, default=0.5
        Bound on the probability that the halving is not balanced all along, in (0, 1).
        Smaller values make it more random.
    n_swaps : int, default=1
        Rounds of exchanging each chosen row for the best one of the sample; 0 for none.
    random_state : None, int, RandomState or Generator, default=None
        Draws the signs of the halving, and the sample for the median.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None where ``X`` lives.

    Attributes
    ----------
    indices_ : ndarray of shape (size,)
        Numbers of the chosen rows, all different, in increasing order.
    coreset_ : ndarray of shape (size, n_features)
        The rows.
    mmd_ : float
        Their maximum mean discrepancy to the sample.
    mmd_split_ : float
        That of the best of the halves of halves, before rows were exchanged.
    kernel_ : Kernel
        The kernel, with numbers for parameters.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    rejection_kmeans_plusplus : Rows that are far from each other, in less time.

    Notes
    -----
    A scikit-learn transformer returns a row for each that it gets, so ``transform``
    does not thin: it returns the kernel values between its rows and the chosen ones, as
    :class:`sklearn.cluster.KMeans` returns distances to centres. What is chosen is in
    ``indices_`` and ``coreset_``, and ``resample`` takes the same rows of other arrays.

    References
    ----------
    Dwivedi and Mackey, Generalized kernel thinning, ICLR 2022; Dwivedi and Mackey,
    Kernel thinning, Journal of Machine Learning Research 25, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernel_machine import KernelThinning
    >>> X = np.random.default_rng(0).standard_normal((1000, 2))
    >>> thinning = KernelThinning(random_state=0).fit(X)
    >>> thinning.coreset_.shape
    (31, 2)
    >>> bool(thinning.mmd_ < 0.05)
    True
    """

    def __init__(
        self,
        kernel="gaussian",
        size=None,
        *,
        length_scale="median",
        variant="target",
        delta=0.5,
        n_swaps=1,
        random_state=None,
        device=None,
    ):
        self.kernel = kernel
        self.size = size
        self.length_scale = length_scale
        self.variant = variant
        self.delta = delta
        self.n_swaps = n_swaps
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X, y=None):
        """Choose the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sample; neighbouring rows are compared first, so an order in which they are
            alike, such as that of a Markov chain, helps. float32 stays float32.
        y : None
            Ignored.

        Returns
        -------
        self : KernelThinning
            Fitted estimator.

        Raises
        ------
        ValueError
            If the sample or a parameter is out of range, or ``variant`` needs a power
            of a kernel that has none.
        """
        self._check_parameters()
        kernel = self._kernel_of(self.kernel)
        data = check_fit_input(self, X, None, accept_sparse=False, y_kind="none")
        size = self._check_size(int(data.X.shape[0]), kernel)
        median, signs = spawn(self.random_state, 2)
        with data.target.activate():
            kernel = kernel.resolve(data.X, median)
            found = thin(
                kernel,
                data.X,
                size,
                split_kernels=self._split_kernels(kernel, int(data.X.shape[1])),
                delta=float(self.delta),
                n_swaps=int(self.n_swaps),
                rng=signs,
                budget=cuda.memory_budget(data.target),
            )
            indices = index_like(found.indices, data.X)
            fitted = convert(
                {
                    "indices_": indices,
                    "coreset_": take(data.X, indices),
                    "kernel_": kernel,
                },
                data.source,
            )
        vars(self).update(
            fitted,
            mmd_=found.mmd,
            mmd_split_=found.mmd_split,
            device_=data.target.label,
            _n_rows=int(data.X.shape[0]),
        )
        return self

    def transform(self, X):
        """Compute the kernel between rows and the chosen ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        K : ndarray of shape (n_samples, size)
            In the namespace and dtype of ``X``.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="coreset_", method="transform"
        )
        source, target = cuda.resolve(self.device, X)
        with target.activate():
            kernel, coreset = convert((self.kernel_, self.coreset_), target)
            there = move(X, target)
            coreset = asarray_like(coreset, there)
            operator = KernelOperator(kernel, there, coreset, store=False)
            K = operator.block(slice(None), slice(None))
        return move(K, source)

    def resample(self, *arrays):
        """Take the chosen rows of other arrays.

        Parameters
        ----------
        *arrays : sequence of array-like of shape (n_samples, ...)
            One row for each of the sample of the fit: targets, weights, other features.

        Returns
        -------
        rows : list of array-like of shape (size, ...)
            Or the one result for one array.

        Raises
        ------
        ValueError
            If an array has another number of rows.
        """
        check_is_fitted(self, "indices_")
        found = [self._rows_of(array) for array in arrays]
        return found[0] if len(found) == 1 else found

    def _rows_of(self, array):
        """Return the chosen rows of one array."""
        n = int(array.shape[0]) if hasattr(array, "shape") else len(array)
        if n != self._n_rows:
            raise ValueError(
                f"resample needs one row for each of the {self._n_rows} rows of the "
                f"fit; got {n}."
            )
        chosen = to_numpy(self.indices_)
        if hasattr(array, "iloc"):
            return array.iloc[chosen]
        if is_array(array):
            return take(array, chosen)
        return array[chosen] if hasattr(array, "nnz") else [array[i] for i in chosen]

    @property
    def _n_features_out(self):
        return int(self.indices_.shape[0])

    def _makers(self):
        return {"kernel": self._kernel_of}

    def _kernel_of(self, kernel):
        return get_kernel(kernel, length_scale=self.length_scale)

    def _check_parameters(self):
        """Raise ValueError unless the parameters are in range."""
        check_shared(self)
        check_choice("variant", self.variant, VARIANTS)
        check_number("delta", self.delta, 0, 1, closed="neither")
        check_count("n_swaps", self.n_swaps, 0)

    def _check_size(self, n, kernel):
        """Return the number of rows to choose."""
        if kernel.name == "precomputed":
            raise ValueError(
                "kernel='precomputed' has no rows to choose: KernelThinning needs the "
                "sample and a kernel of its rows."
            )
        hint = f"There are n_samples={n} rows in X."
        size = check_count("size", self.size, 1, n, optional=True, hint=hint)
        return math.isqrt(n) if size is None else size

    def _split_kernels(self, kernel, n_features):
        """Return the kernels whose sum drives the halving."""
        if self.variant == "target":
            return [kernel]
        power, _ = power_kernel(kernel, n_features)
        return [power] if self.variant == "power" else [kernel, power]
