"""Private centring and scaling of the rows, before a private model."""

import math

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin

from skopt2._core.array import asarray_like
from skopt2._core.chunks import by_blocks
from skopt2._core.estimator import fit_method
from skopt2._core.parameters import check_choice, check_positive, check_squarable
from skopt2._core.shared_parameters import check_shared
from skopt2._core.transfer import convert
from skopt2._core.validation import check_predict_input
from skopt2.privacy.private_input import check_private_input
from skopt2.privacy.private_model import PrivateModel
from skopt2.privacy.private_parameters import check_bounds, check_privacy_parameters
from skopt2.solvers.privacy.gaussian import gaussian_mu
from skopt2.solvers.privacy.noise import KINDS
from skopt2.solvers.privacy.private_center import (
    MEAN_SHARE,
    CenterPlan,
    center_plan,
    private_center,
)
from skopt2.solvers.privacy.rows import RowMap, Rows


class DPScaler(OneToOneFeatureMixin, TransformerMixin, PrivateModel):
    r"""Differentially private centre and radius of the rows, to scale by.

    Takes the place of :class:`sklearn.preprocessing.StandardScaler`, whose means and
    deviations are the data's own and not private, in front of a private model:

    .. math:: x \mapsto (x - c) / r,

    with a noisy mean :math:`c` of the rows and one radius :math:`r` for all features,
    which about half of the rows are within. ``fit`` spends its epsilon; ``transform``
    costs nothing, since each row depends on itself and on what was released.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy loss of a fit. Infinity turns the noise off.
    delta : float, default=None
        Probability with which the loss may be larger. None for
        ``min(0.01, 1 / n_samples**1.1)``.
    noise_multiplier : float, default=None
        Noise multiplier of centre and radius together, in place of ``epsilon``: they
        cost as much as one Gaussian mechanism with this one.
    feature_norm : float, default=1.0
        Rows count with this Euclidean norm at most. It must not come from the data.
    bounds : tuple (low, high), default=None
        Public bounds of the features, numbers or arrays of shape (n_features,). Values
        are clipped to them, mapped to [-1, 1] and divided by ``sqrt(n_features)``
        before the rest; this gives each feature a scale of its own for nothing.
    with_centering : bool, default=True
        Whether to find a centre; else it is 0, or the middle of the bounds.
    with_scaling : bool, default=True
        Whether to find a radius; else it is ``feature_norm``.
    relation : {"zero_out", "replace_one"}, default="zero_out"
        Neighbouring data sets, of the same public number of rows: a row counts as
        nothing in one of them, or has other values, which takes twice the noise.
    noise : {"gaussian", "discrete"}, default="gaussian"
        Distribution of the noise. ``"discrete"`` withstands attacks on the last bits of
        the released numbers.
    accountant : PrivacyAccountant, default=None
        Budget that the fit spends on, before any value is read.
    random_state : int, RandomState instance or None, default=None
        None draws fresh noise from the entropy of the system. Anything else makes the
        noise reproducible, for tests, and void as protection.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute the fit; None follows ``X``.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        What is subtracted, in the units of ``X``.
    scale_ : ndarray of shape (n_features,)
        What divides; equal for all features without ``bounds``.
    radius_ : float
        The radius, one of 12 public numbers up to ``feature_norm``, in the units of
        ``X`` or, with ``bounds``, of the mapped rows.
    privacy_ : PrivacyRecord
        Epsilon, delta, relation, the mechanisms that read the data, the noise.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    DPLogisticClassifier : Does the same with ``center="private"``, for a fifth of its
        own budget.

    Notes
    -----
    Rows with NaN or infinity count as nothing in the fit and pass through
    ``transform`` as they are, for the private models count them as nothing, too. The
    output is not clipped: about half of the rows have a norm above 1, and private
    models with ``feature_norm=1.0``, their default, clip these, which is what the
    radius is for. Give scaler and model one accountant: their mechanisms are composed,
    which costs less than the sum of their epsilons.

    References
    ----------
    Sun, Suresh and Menon, The importance of feature preprocessing for differentially
    private linear optimization, ICLR 2024, algorithm 2 (DPSGD-F).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skopt2.privacy import DPLogisticClassifier, DPScaler
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 2000)
    >>> X = 0.5 + 0.03 * rng.standard_normal((2000, 2)) + 0.03 * y[:, None]
    >>> model = make_pipeline(
    ...     DPScaler(epsilon=0.5), DPLogisticClassifier(epsilon=1.0, classes=[0, 1])
    ... )
    >>> model.fit(X, y).score(X, y) > 0.7
    True
    """

    _sparse_input = False

    def __init__(
        self,
        epsilon=1.0,
        *,
        delta=None,
        noise_multiplier=None,
        feature_norm=1.0,
        bounds=None,
        with_centering=True,
        with_scaling=True,
        relation="zero_out",
        noise="gaussian",
        accountant=None,
        random_state=None,
        device=None,
    ):
        self.epsilon = epsilon
        self.delta = delta
        self.noise_multiplier = noise_multiplier
        self.feature_norm = feature_norm
        self.bounds = bounds
        self.with_centering = with_centering
        self.with_scaling = with_scaling
        self.relation = relation
        self.noise = noise
        self.accountant = accountant
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @fit_method
    # A user's np.seterr(under="raise") would make an error of some values.
    @np.errstate(all="ignore")
    def fit(self, X, y=None):
        """Find the centre and the radius, and spend the epsilon.

        Parameters
        ----------
        X : array-like or Dask array of shape (n_samples, n_features)
            Rows, or an iterator of chunks ``(X, y)``. float32 stays float32.
        y : None
            Ignored.

        Returns
        -------
        self : DPScaler
            Fitted transformer.

        Raises
        ------
        ValueError
            If a parameter, a shape or a type is wrong.
        BudgetError
            If the accountant's budget does not suffice: nothing was read then.
        """
        return self._fit(X)

    # An error of floating point, where the user asked for these, would tell of a row.
    @np.errstate(all="ignore")
    def _fit(self, X):
        """Check, spend, find, store."""
        self._check_parameters()
        data = check_private_input(self, X, None, accept_sparse=False, y_kind="none")
        row_map = self._row_map(data.n_features)
        plan, record = self._spend_plan(data.n_rows)
        with data.target.activate():
            rows = Rows(
                data.parts(None, wide=self.noise == "discrete"),
                data.n_rows,
                data.n_features,
                row_map=row_map,
                feature_norm=float(self.feature_norm),
                fit_intercept=False,
                in_memory=not data.streamed,
            )
            noise, _, _ = self._streams(data.target)
            found = private_center(rows, plan, noise, self.relation)
        whole = row_map.then(RowMap(shift=found.center, scale=1.0 / found.radius))
        dtype = np.float32 if "float32" in str(data.dtype) else np.float64
        center = np.asarray(whole.shift).astype(dtype)
        scale = np.broadcast_to(1.0 / whole.scale, center.shape).astype(dtype)
        vars(self).update(
            convert({"center_": center, "scale_": scale}, data.source),
            radius_=found.radius,
            privacy_=record,
            device_=data.target.label,
        )
        return self

    @by_blocks
    def transform(self, X):
        """Subtract the centre and divide by the scale.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        X_scaled : ndarray of shape (n_samples, n_features)
            In the namespace and dtype of ``X``, not clipped.
        """
        X, center, scale = self._beside(X, "transform")
        with np.errstate(over="ignore", invalid="ignore"):
            return (X - center) / scale

    @by_blocks
    def inverse_transform(self, X):
        """Multiply by the scale and add the centre.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Scaled rows.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            In the units of the fit.
        """
        X, center, scale = self._beside(X, "inverse_transform")
        with np.errstate(over="ignore", invalid="ignore"):
            return X * scale + center

    def _beside(self, X, method):
        """Return checked rows, and centre and scale beside them."""
        X = check_predict_input(
            self,
            X,
            accept_sparse=False,
            attribute="center_",
            method=method,
            finite=False,
        )
        center, scale = (asarray_like(a, X) for a in (self.center_, self.scale_))
        return X, center[None, :], scale[None, :]

    def _check_parameters(self):
        """Raise ValueError for parameters that no data could make right."""
        check_shared(self)
        check_positive("feature_norm", self.feature_norm)
        check_squarable("feature_norm", self.feature_norm)
        check_choice("noise", self.noise, KINDS)

    def _row_map(self, n_features):
        """Return the public map of the rows."""
        if self.bounds is None:
            return RowMap()
        low, high = check_bounds("bounds", self.bounds, n_features)
        root = math.sqrt(n_features)
        return RowMap(low, high, (low + high) / 2, 2.0 / ((high - low) * root))

    def _spend_plan(self, n_rows):
        """Return the budgets of centre and radius, and the record, spent already."""
        epsilon, delta, multiplier = check_privacy_parameters(self, n_rows)
        if multiplier is not None:
            mu = 1.0 / multiplier
        else:
            mu = gaussian_mu(epsilon, delta) if epsilon < math.inf else math.inf
        if self.with_centering or self.with_scaling:
            share = MEAN_SHARE if self.with_scaling else 1.0
            plan = center_plan(mu**2, mean_share=share * bool(self.with_centering))
        else:
            plan, epsilon, mu = CenterPlan(math.inf, math.inf), 0.0, 0.0
        record = self._spend(
            plan.events,
            delta,
            epsilon=epsilon,
            multiplier=1.0 / mu if mu > 0 else math.inf,
            n_rows=n_rows,
        )
        return plan, record
