"""Sparse principal components by a ratio, as an estimator."""

import math
import warnings

import numpy as np

from skopt2._core.array import all_finite, asarray_like, is_sparse, to_numpy
from skopt2._core.estimator import fit_method, level_of_caller
from skopt2._core.random import seed_sequence
from skopt2._core.validation import check_fit_input, check_predict_input, host_data
from skopt2._core.weights import check_weights
from skopt2.decomposition.component_model import ComponentModel
from skopt2.decomposition.sparse_ratio_parameters import check_parameters
from skopt2.decomposition.sparse_ratio_score import explained_share
from skopt2.solvers.fractional.components import ComponentSequence
from skopt2.solvers.fractional.covariance_form import covariance_form
from skopt2.solvers.fractional.problem import CERTIFICATE


class SparseRatioPCA(ComponentModel):
    r"""Sparse principal components: most variation for the size of the loadings.

    With the covariance matrix :math:`C` of the data, the loadings :math:`v` of a
    component minimise the ratio

    .. math:: \frac{(1 - \alpha) |v|_2 + \alpha |v|_1}{\sqrt{v^\top C v}} .

    ``alpha=0`` gives the leading direction of the data, as
    :class:`~sklearn.decomposition.PCA`; the larger it is the fewer loadings are not
    zero, down to one feature. The ratio does not depend on the unit of the data or on
    the length of ``v``, so the same ``alpha`` means the same for data of any scale.
    Components are found one after the other, each in what those before leave.

    Parameters
    ----------
    n_components : int, default=2
        Number of components. There are fewer, with a warning, if they leave no
        variance.
    alpha : float, default=0.1
        Sparsity, in [0, 1). Not used with ``n_nonzero``.
    n_nonzero : int, default=None
        Nonzero loadings of a component: ``alpha`` of each is the smallest that selects
        so many features. Where their number jumps, the largest of more loadings stay.
    refit : bool, default=True
        Whether the loadings on the features that the ratio selects are those of their
        own leading direction, which explain more; with ``n_nonzero`` features are then
        exchanged as long as that explains more. False leaves them shrunk by the
        penalty, as the ratio has them.
    solver : {"fcd", "pcd", "power"}, default="fcd"
        Fractional coordinate descent, which minimises the ratio along each coordinate;
        its parametric form, which minimises Dinkelbach's difference; or generalised
        power steps, for comparison.
    n_init : int, default=5
        Starts of each component: half of them, rounded up, leading directions, the
        rest those of the features that explain most on their own; the feature of
        largest variance comes on top. The best after a few steps is followed.
    tol : float, default=1e-10
        Tolerance of the certificate.
    max_iter : int, default=1000
        Largest number of steps, all components together. A fit that it stops has the
        components so far.
    time_limit : float, default=None
        Seconds after which the fit stops.
    random_state : int, RandomState instance or None, default=None
        Draws the orders of coordinates.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Arrays of a GPU are copied: coordinates are updated on the CPU, and ``"cuda"``
        is an error.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Loadings, of Euclidean norm 1, the largest of each positive. Not orthogonal in
        general.
    n_components_ : int
        Number of components.
    alphas_ : ndarray of shape (n_components,)
        ``alpha`` of each component.
    explained_variance_ : ndarray of shape (n_components,)
        Variance that each component adds to what those before it explain: that of the
        data in the space that they span. Sums over rows are divided by their number or
        total weight.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        As shares of the variance of all features. Their sum is at most that of PCA.
    mean_ : ndarray of shape (n_features,)
        Mean of the features.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Steps of all components.
    converged_ : bool
        Whether the certificate of every component reached the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"`` or
        ``"stalled"`` (at the floor of rounding).
    certificate_ : Certificate
        Largest relative gain of the ratio by any step along one coordinate, found
        globally, over all components; gains that are rounding count as 0. Infinite for
        a fit that did not come to the last component.
    objective_ : float
        Sum of the ratios of the components, each as minimised: divided by
        :math:`1 - \alpha`, and before the refit.
    dual_gap_ : float
        NaN: the problem has more than one local minimum, and no bound.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate``,
        ``component`` (the one in work, from 0), its ``ratio`` and ``residual`` (its
        certificate), ``criticality`` (distance from a critical point) and ``support``
        (its nonzero loadings), one row per step.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    sklearn.decomposition.SparsePCA : Sparse dictionary of all components at once.
    sklearn.decomposition.PCA : Dense loadings.

    Notes
    -----
    The problem is not convex. The certificate says that no coordinate alone can lower
    the ratio, wherever it would move to, which is more than a critical point; another
    local minimum may be lower still, against which there are several starts.

    Features in different units should be standardised first: the variance that is
    explained counts in their units, as in PCA. A sparse ``X`` is centred implicitly and
    stays sparse. Loadings are computed in float64 and returned in the dtype of ``X``.

    References
    ----------
    Yuan, Coordinate descent methods for fractional minimization, ICML 2023; Mackey,
    Deflation methods for sparse PCA, NeurIPS 2008; Yuan and Zhang, Truncated power
    method for sparse eigenvalue problems, JMLR 14, 2013 (the exchange of features).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.decomposition import SparseRatioPCA
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 30))
    >>> X[:, :4] += 2 * rng.normal(size=(100, 1))
    >>> model = SparseRatioPCA(n_components=1, n_nonzero=4).fit(X)
    >>> np.flatnonzero(model.components_[0])
    array([0, 1, 2, 3])
    >>> model.components_.round(1)[0, :6]
    array([0.5, 0.5, 0.5, 0.5, 0. , 0. ])
    >>> model.transform(X).shape
    (100, 1)
    """

    _remedies = ("increase alpha", "increase alpha")
    _sparse_input = True

    def __init__(
        self,
        n_components=2,
        alpha=0.1,
        *,
        n_nonzero=None,
        refit=True,
        solver="fcd",
        n_init=5,
        tol=1e-10,
        max_iter=1000,
        time_limit=None,
        random_state=None,
        device=None,
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.n_nonzero = n_nonzero
        self.refit = refit
        self.solver = solver
        self.n_init = n_init
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Find the components.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights. A weight k is the row repeated k times.

        Returns
        -------
        self : SparseRatioPCA
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data are not finite or constant, or a parameter is out of range.

        Warns
        -----
        ConvergenceWarning
            If the certificate did not reach ``tol``.
        UserWarning
            If fewer components than asked leave no variance.
        """
        check_parameters(self)
        data = check_fit_input(self, X, None, sample_weight, y_kind="none")
        data = host_data(self, data, "coordinate descent")
        form, mean = covariance_form(data.X, data.sample_weight)
        sequence = self._sequence(form)

        def describe(state):
            return self._describe(state, sequence, form, mean, data.X.dtype)

        def start():
            state = sequence.init()
            if state is None:
                raise ValueError(
                    f"Every feature of X is constant in n_samples={data.X.shape[0]} "
                    "rows: pass rows that differ."
                )
            return state

        self._run(sequence, start, data, describe, CERTIFICATE)
        if self.n_components_ < self.n_components and self.converged_:
            warnings.warn(
                f"n_components={self.n_components}, but {self.n_components_} leave no "
                "variance: there are no more.",
                UserWarning,
                stacklevel=level_of_caller(),
            )
        return self

    def _sequence(self, form):
        """Return the solver of one component after the other."""
        return ComponentSequence(
            form,
            int(self.n_components),
            float(self.alpha),
            self.n_nonzero,
            self.solver,
            self.refit,
            int(self.n_init),
            float(self.tol),
            int(seed_sequence(self.random_state).generate_state(1)[0]),
        )

    def _describe(self, state, sequence, form, mean, dtype):
        """Return the fitted attributes of a state."""
        found = [*state.found, sequence.component(state)]
        V = np.stack([c.v for c in found])
        Q = np.linalg.qr(V.T)[0]
        variance = np.einsum("ik,ik->k", Q, form.products(Q))
        return {
            "components_": V.astype(dtype),
            "n_components_": len(found),
            "alphas_": np.array([c.alpha for c in found], dtype=dtype),
            "explained_variance_": variance.astype(dtype),
            "explained_variance_ratio_": (variance / form.total).astype(dtype),
            "mean_": mean.astype(dtype),
        }

    def _codes(self, X):
        """Return checked rows as coordinates in the basis of the components."""
        V = np.asarray(to_numpy(self.components_), dtype=np.float64)
        W = np.linalg.pinv(V)
        shift = np.asarray(to_numpy(self.mean_), dtype=np.float64) @ W
        dense = X.data if is_sparse(X) else X
        return X @ asarray_like(W, dense) - asarray_like(shift, dense)

    def transform(self, X):
        """Return the coordinates of rows in the space of the components.

        Least squares: ``inverse_transform`` of it is the nearest point of that space.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            In the namespace and dtype of ``X``.

        Raises
        ------
        ValueError
            If the data are not finite, or have other features.
        """
        X = check_predict_input(self, X, attribute="components_", method="transform")
        return self._codes(X)

    def inverse_transform(self, X):
        """Return the points with these coordinates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Coordinates.

        Returns
        -------
        points : ndarray of shape (n_samples, n_features)
            In the space of the components, the mean added.

        Raises
        ------
        ValueError
            If there is not one coordinate for each component, or they are not finite.
        """
        V = self.components_
        T = asarray_like(X, V) if hasattr(X, "dtype") else asarray_like(list(X), V)
        if T.ndim != 2 or T.shape[1] != V.shape[0]:
            raise ValueError(
                f"X has the shape {tuple(T.shape)}, but there are {V.shape[0]} "
                "components: pass one coordinate for each."
            )
        if not all_finite(T):
            raise ValueError("X must be finite, but holds NaN or infinity.")
        return T @ V + self.mean_

    def score(self, X, y=None, sample_weight=None):
        """Return the share of the variance of other rows that the components explain.

        With a search over ``alpha`` or ``n_nonzero``, on rows that were left out.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights.

        Returns
        -------
        score : float
            1 less the squared error of the projection over the squared distance, both
            from the fitted mean; between 0 and 1.

        Raises
        ------
        ValueError
            If every row is the fitted mean.
        """
        X = check_predict_input(self, X, attribute="components_", method="score")
        weight = check_weights(sample_weight, X)
        share = explained_share(X, self._codes(X), self.components_, self.mean_, weight)
        if math.isnan(share):
            raise ValueError(
                f"score needs rows that differ from the mean; got n_samples="
                f"{X.shape[0]} that do not."
            )
        return share
