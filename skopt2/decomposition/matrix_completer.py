"""Completion of matrices of low rank, as an imputer."""

import math
import warnings

import numpy as np

from skopt2._core.array import asarray_like, is_sparse, namespace, to_numpy
from skopt2._core.estimator import IterativeEstimator, fit_method, level_of_caller
from skopt2._core.random import seed_sequence
from skopt2._core.validation import check_fit_input, host_data
from skopt2.decomposition.completed_table import CompletedTable
from skopt2.decomposition.completion_data import known_entries, moments, standardised
from skopt2.decomposition.completion_options import check_completer, completion_problem
from skopt2.decomposition.completion_search import (
    completion_solver,
    searched,
    starting_model,
)
from skopt2.solvers.certificate import GAP
from skopt2.solvers.low_rank.problem import STATIONARITY, Factors


class MatrixCompleter(CompletedTable, IterativeEstimator):
    r"""Imputation of missing entries by a matrix of low rank.

    Of a table :math:`X` only the entries at positions :math:`\Omega` are known. With
    columns centred and scaled, factors :math:`U` of the rows, :math:`V` of the columns
    and intercepts :math:`b` are sought that minimise

    .. math:: \frac{1}{|\Omega|} \sum_{(i,j) \in \Omega}
              \psi(x_{ij} - b_j - u_i^\top v_j)
              + \frac{\alpha}{2 \sqrt{n p}} \big( \|U\|_F^2 + \|V\|_F^2 \big)

    for :math:`n` rows and :math:`p` columns, and missing entries are
    :math:`b_j + u_i^\top v_j`. With a rank that is not bounded this is the convex
    problem with the penalty :math:`\alpha \|M\|_* / \sqrt{n p}` of the nuclear norm.

    Parameters
    ----------
    rank : int, "auto" or None, default=None
        Rank of the matrix beside the intercepts, at most the shorter side of ``X``.
        None bounds it by ``alpha`` alone: a convex problem, with a duality gap.
        ``"auto"`` chooses the rank by entries that are held out.
    alpha : float or "auto", default="auto"
        Level of the penalty, in units of the scales of columns: singular values are
        lowered by about ``alpha * sqrt(n * p)``. ``"auto"`` chooses it by entries that
        are held out. 0: no penalty, which needs more known entries in every row and
        column than the rank.
    loss : {"squared", "l1"}, default="squared"
        Loss of a residual: half its square; or its absolute value, for entries of which
        some are grossly wrong.
    fit_intercept : bool, default=True
        Whether columns have intercepts, fitted together with the factors.
    scale : bool, default=True
        Whether columns are divided by the standard deviation of their known entries:
        features in other units then count the same.
    keep_observed : bool, default=True
        Whether ``transform`` returns known entries as they are; False replaces them by
        the model, which removes noise.
    keep_empty_features : bool, default=False
        Whether features without any known entry in ``fit`` are returned, as zeros;
        False leaves them out, as :class:`sklearn.impute.SimpleImputer` does.
    missing_values : float, default=nan
        Marks missing entries. Of sparse ``X`` the stored entries are known, stored
        zeros too, and all others are missing.
    solver : {"auto", "altmin", "scaledgd"}, default="auto"
        ``"altmin"``: alternating minimisation with least squares that need not be
        exact, which ``"auto"`` takes; ``"scaledgd"``: scaled gradient descent, for the
        squared loss.
    smoothing : float, default=1e-3
        Width around zero in which ``"l1"`` is a parabola, relative to the median
        absolute value of the centred entries.
    validation_fraction : float, default=0.1
        Share of the known entries that ``"auto"`` holds out.
    tol : float, default=1e-4
        Tolerance of the certificate.
    max_iter : int, default=500
        Largest number of sweeps or steps.
    time_limit : float, default=None
        Seconds after which the fit stops at the end of a sweep; the search for a rank
        or a level comes before.
    warm_start : bool, default=False
        Whether to start from the factors of the last fit, where they have the shape.
    random_state : int, RandomState instance or None, default=None
        Draws the start and the entries that are held out.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``. Sparse ``X`` is for the CPU.

    Attributes
    ----------
    components_ : ndarray of shape (rank, n_features)
        Factors of the columns, in their units; zero for features that are empty.
    row_factors_ : ndarray of shape (n_samples, rank)
        Factors of the rows of the fit: their products with ``components_``, plus
        ``intercept_``, are the completed matrix. Zero for rows that are empty.
    intercept_ : ndarray of shape (n_features,)
        Intercepts.
    rank_ : int
        Number of components.
    alpha_ : float
        Level.
    search_path_ : list of tuple
        Ranks, or else levels, that ``"auto"`` has tried, and their errors at held-out
        entries: mean squares, or mean absolute values with ``loss="l1"``, of scaled
        columns.
    scale_ : ndarray of shape (n_features,)
        What columns were divided by.
    empty_features_ : ndarray of bool of shape (n_features,)
        Features without any known entry.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Sweeps, or steps.
    converged_ : bool
        Whether the certificate reached the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``, ``"stalled"``
        (at the floor of rounding) or ``"diverged"``.
    certificate_ : Certificate
        With ``rank=None`` the duality gap, relative to the objective of the intercepts
        alone: no matrix of any rank is better by more. Otherwise the norm of the
        gradient in the metric of the curvature, relative: about half its square would
        be gained by another sweep, but better minima may exist.
    objective_ : float
        The objective above.
    dual_gap_ : float
        Absolute duality gap; NaN for prescribed ranks.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        ``rank``, one row per sweep.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    MatrixFactorization : Complete matrices, with signs and sparsity of the factors.
    sklearn.impute.IterativeImputer : A regression of each feature on the others.

    References
    ----------
    Gu, Song, Yin and Zhang, Low rank matrix completion via robust alternating
    minimization in nearly linear time, ICLR 2024 (``"altmin"``); Xu, Shen, Chi and Ma,
    The power of preconditioning in overparameterized low-rank matrix sensing, ICML 2023
    (``"scaledgd"``); Hastie, Mazumder, Lee and Zadeh, Matrix completion and low-rank
    SVD via fast alternating least squares, JMLR 16, 2015 (``alpha``).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.decomposition import MatrixCompleter
    >>> rng = np.random.default_rng(0)
    >>> full = rng.standard_normal((100, 2)) @ rng.standard_normal((2, 20))
    >>> X = np.where(rng.random(full.shape) < 0.4, np.nan, full)
    >>> model = MatrixCompleter(2, alpha=0.0, tol=1e-9).fit(X)
    >>> bool(np.allclose(model.transform(X), full))
    True
    >>> MatrixCompleter("auto", random_state=0).fit(X).rank_
    2
    """

    _remedies = ("increase alpha, or lower the rank", "bring X to one scale")

    def __init__(
        self,
        rank=None,
        *,
        alpha="auto",
        loss="squared",
        fit_intercept=True,
        scale=True,
        keep_observed=True,
        keep_empty_features=False,
        missing_values=np.nan,
        solver="auto",
        smoothing=1e-3,
        validation_fraction=0.1,
        tol=1e-4,
        max_iter=500,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.rank = rank
        self.alpha = alpha
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.scale = scale
        self.keep_observed = keep_observed
        self.keep_empty_features = keep_empty_features
        self.missing_values = missing_values
        self.solver = solver
        self.smoothing = smoothing
        self.validation_fraction = validation_fraction
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        missing = self.missing_values
        tags.input_tags.allow_nan = isinstance(missing, float) and math.isnan(missing)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @fit_method
    def fit(self, X, y=None):
        """Learn the factors of a table with missing entries.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data. float32 stays float32. Sparse matrices are not made dense.
        y : None
            Ignored.

        Returns
        -------
        self : MatrixCompleter
            Fitted estimator.

        Raises
        ------
        ValueError
            If no entry is known, ``X`` is infinite somewhere, or a parameter is out of
            range.

        Warns
        -----
        UserWarning
            If dense ``X`` has features without a known entry, which ``transform``
            leaves out.
        """
        check_completer(self)
        data = check_fit_input(
            self, X, None, accept_sparse=("csr",), y_kind="none", finite=False
        )
        if is_sparse(data.X):
            data = host_data(self, data, "a sparse X")
        with data.target.activate():
            entries = known_entries(data.X, self.missing_values)
            columns = moments(entries, self.fit_intercept, self.scale)
            if not float(entries.xp.max(columns[2])) > 0.0:
                raise ValueError(
                    "X holds no known entry: all are "
                    f"missing_values={self.missing_values!r}, or not stored."
                )
            if not self.keep_empty_features and not is_sparse(data.X):
                self._warn_empty(to_numpy(columns[2]) == 0.0)
            entries = standardised(entries, *columns[:2])
            return self._solve(data, entries, columns)

    def _warn_empty(self, empty):
        """Warn of columns that transform leaves out, as scikit-learn's imputers do."""
        if not empty.any():
            return
        names = getattr(self, "feature_names_in_", np.arange(empty.size))[empty]
        shown = ", ".join(map(str, names[:5])) + (", ..." if names.size > 5 else "")
        warnings.warn(
            f"Features without a known entry are left out by transform: {shown}. Set "
            "keep_empty_features=True to return them as zeros.",
            UserWarning,
            stacklevel=level_of_caller(),
        )

    def _solve(self, data, entries, columns):
        """Choose the rank, minimise, and store."""
        seed = int(seed_sequence(self.random_state).generate_state(1)[0])
        rank, alpha, path, found = searched(self, entries, seed)
        most = min(entries.shape)
        rank = None if rank is None else min(int(rank), most)
        convex = rank is None or (rank == most and alpha > 0.0)
        problem, width = completion_problem(self, entries, alpha, convex)
        solver = completion_solver(self, problem)

        def describe(model):
            fitted = self._attributes(model, problem, columns)
            return {**fitted, "alpha_": alpha, "search_path_": list(path)}

        name = GAP if problem.convex else STATIONARITY

        def start():
            model = self._last_model(entries, columns, rank) or found
            if model is None:
                model = starting_model(self, problem, rank, seed)
            return solver.start(model, width)

        return self._run(solver, start, data, describe, name)

    def _attributes(self, model, problem, columns):
        """Return the fitted attributes of a model of the scaled columns."""
        means, scales, counts = columns
        xp = namespace(scales)
        # Features without any known entry are exactly zero.
        flip = model.V * xp.where(counts > 0.0, scales, 0.0 * scales)[:, None]
        components = xp.matrix_transpose(flip)
        if isinstance(components, np.ndarray):
            components = np.ascontiguousarray(components)
        return {
            "components_": components,
            "row_factors_": model.U,
            "intercept_": xp.where(counts > 0.0, means + scales * model.b, means),
            "rank_": model.rank,
            "scale_": scales,
            "empty_features_": counts == 0.0,
            "_level": problem.level,
            "_loss": problem.loss,
        }

    def _last_model(self, entries, columns, rank):
        """Return the factors of the last fit, None where they do not fit."""
        if not self.warm_start or not hasattr(self, "components_"):
            return None
        U, V = self.row_factors_, self.components_
        shape = (int(U.shape[0]), int(V.shape[1]))
        if shape != entries.shape or rank not in (None, int(V.shape[0])):
            return None
        like, (means, scales, _) = entries.like, columns
        U, V, b = (asarray_like(to_numpy(A), like) for A in (U, V, self.intercept_))
        V = namespace(V).matrix_transpose(V) / scales[:, None]
        return Factors(U, V, (b - means) / scales)
