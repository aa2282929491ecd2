"""Maps that are close to optimal transport, by the Monge gap."""

from dataclasses import replace

from sklearn.base import OneToOneFeatureMixin, TransformerMixin

from skopt2._core import cuda
from skopt2._core.array import asarray_like, move, namespace
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
    check_squarable,
)
from skopt2._core.random import spawn
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.solvers.quasi_newton import LimitedBFGS
from skopt2.solvers.transport.cost import METRICS
from skopt2.transport.clouds import check_mass, with_mass
from skopt2.transport.cost_scale import check_divisor, check_magnitude
from skopt2.transport.entropic_cost import EntropicCost, SelfCost, mean_cost
from skopt2.transport.map_energy import MapEnergy, displacement_between
from skopt2.transport.map_input import cast_points, check_no_points, check_points

CERTIFICATE = "largest derivative"
MAPS = ("affine", "random_features")
# Marginal error of the entropic problems, and rounding of their objectives.
PRECISION = {"float64": (1e-7, 1e-12), "float32": (1e-5, 1e-6)}


class MongeGapMap(OneToOneFeatureMixin, TransformerMixin, IterativeEstimator):
    """Learn a map that carries one distribution to another at little cost.

    Minimises the Sinkhorn divergence between the image of ``X`` and the target, plus
    ``gap_strength`` times the Monge gap of the map: what the map costs more than the
    best coupling of its input and its output, zero for optimal maps. The map is defined
    everywhere, unlike a coupling of samples, and any cost with a gradient will do.

    Parameters
    ----------
    map : {"affine", "random_features"}, default="affine"
        ``x @ matrix.T + offset``, or the same plus ``n_components`` random Fourier
        features of a Gaussian kernel.
    n_components : int, default=100
        Number of random features.
    length_scale : float, default=None
        Of the kernel, in the units of the features; None for the root mean square
        distance between target and shifted ``X``.
    gap_strength : float, default=1.0
        Nonnegative weight of the Monge gap beside the divergence.
    alpha : float, default=1e-3
        Nonnegative ridge penalty on the coefficients of the random features, relative
        to the mean cost.
    metric : {"sqeuclidean", "euclidean", "cityblock", "cosine"}, default="sqeuclidean"
        Ground cost.
    reg : float, default=0.05
        Entropic regularisation of divergence and gap, in the units that
        ``normalize_cost`` leaves.
    normalize_cost : {"mean", None}, default="mean"
        Divide costs by their mean between target and ``X``, shifted to the target's
        mean, or not.
    tol : float, default=1e-4
        Tolerance of the largest derivative of the objective, in standard units.
    max_iter : int, default=200
        Largest number of quasi-Newton steps.
    time_limit : float, default=None
        Seconds after which the fit stops at the next step.
    random_state : int, RandomState instance or None, default=None
        Draws the random features.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    matrix_ : array of shape (n_features, n_features)
        Linear part of the map.
    offset_ : array of shape (n_features,)
        Translation.
    random_weights_ : array of shape (n_features, n_components)
        Frequencies of the random features; no columns for affine maps.
    random_offset_ : array of shape (n_components,)
        Phases of the random features.
    coef_ : array of shape (n_components, n_features)
        What the random features, ``cos(X @ random_weights_ + random_offset_)``, are
        multiplied by.
    divergence_ : float
        Sinkhorn divergence between the image of ``X`` and the target, in units of cost.
    monge_gap_ : float
        Debiased Monge gap of the map on ``X``, in units of cost.
    marginal_error_ : float
        Largest marginal error of the entropic problems behind these figures.
    reg_ : float
        Entropic regularisation in units of cost.
    objective_ : float
        Divergence plus weighted gap, divided by the mean cost, plus ridge penalty.
    certificate_ : Certificate
        Largest derivative of the objective, beside ``tol``.
    dual_gap_ : float
        NaN: the problem is not convex.
    n_iter_ : int
        Quasi-Newton steps.
    converged_ : bool
        Whether the certificate reached ``tol``.
    stop_reason_ : str
        Why the fit stopped.
    history_ : dict of ndarray
        ``iteration``, ``time``, ``objective`` and ``certificate`` of every step.
    device_ : str
        Where it was computed.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had names.

    Notes
    -----
    In a pipeline the target travels as for :class:`SinkhornTransport`. Only ``fit``
    transforms it by the steps ahead: for a score, transform both and ask the last step.

    References
    ----------
    T. Uscidda and M. Cuturi, "The Monge gap: a regularizer to learn all transport
    maps", ICML 2023. There the maps are neural networks; here they are linear in their
    coefficients.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import MongeGapMap
    >>> X = np.random.default_rng(0).standard_normal((60, 2))
    >>> model = MongeGapMap().fit(X, target=X * [2.0, 0.5] + [1.0, 0.0])
    >>> model.matrix_.round(1)
    array([[2. , 0. ],
           [0. , 0.5]])
    >>> model.transform([[1.0, 1.0]]).round(1)
    array([[3. , 0.5]])
    """

    _sparse_input = False

    def __init__(
        self,
        map="affine",
        *,
        n_components=100,
        length_scale=None,
        gap_strength=1.0,
        alpha=1e-3,
        metric="sqeuclidean",
        reg=0.05,
        normalize_cost="mean",
        tol=1e-4,
        max_iter=200,
        time_limit=None,
        random_state=None,
        device=None,
    ):
        self.map = map
        self.n_components = n_components
        self.length_scale = length_scale
        self.gap_strength = gap_strength
        self.alpha = alpha
        self.metric = metric
        self.reg = reg
        self.normalize_cost = normalize_cost
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y=None, *, target=None, sample_weight=None, target_weight=None):
        """Learn the map that carries ``X`` to the target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sample of the source distribution.
        y : Ignored
            For the interface of scikit-learn.
        target : array-like of shape (n_target_samples, n_features), default=None
            Sample of the target distribution; its rows are not paired with those of
            ``X``. None for ``X`` itself, which the identity solves.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights of the rows of ``X``; None for equal ones.
        target_weight : array-like of shape (n_target_samples,), default=None
            Nonnegative weights of the rows of ``target``; None for equal ones, or, with
            no ``target``, for those of ``X``.

        Returns
        -------
        self : MongeGapMap
            Fitted.

        Raises
        ------
        ValueError
            If a parameter is out of range, or data are not finite or of the wrong
            shape.

        Warns
        -----
        ConvergenceWarning
            If the certificate did not reach ``tol``.
        """
        self._check_parameters()
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=False, y_kind="none"
        )
        check_no_points(y, target, data.X)
        data, target, weight = self._check_target(data, target, target_weight)
        with data.target.activate():
            energy = self._energy(data, target, weight)
            rounding = PRECISION[_name_of(data.X)][1]
            solver = LimitedBFGS(energy, noise=rounding, size=1.0, tol=self.tol)

            def describe(w):
                return self._describe(w, energy)

            def start():
                return solver.init(energy.start())

            return self._run(solver, start, data, describe, CERTIFICATE)

    def transform(self, X):
        """Apply the map.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Points, of the source distribution or not.

        Returns
        -------
        image : array of shape (n_samples, n_features)
            Where they go, in the dtype of ``X``.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="matrix_", method="transform"
        )
        xp = namespace(X)
        image = X @ xp.matrix_transpose(self.matrix_) + self.offset_
        if self.coef_.shape[0]:
            angle = X @ self.random_weights_ + self.random_offset_
            image = image + xp.cos(angle) @ self.coef_
        return xp.astype(image, X.dtype)

    def score(self, X, y=None, *, target=None, sample_weight=None, target_weight=None):
        """Say how near the image of ``X`` is to the target, in units of cost.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sample of the source distribution.
        y : Ignored
            For the interface of scikit-learn.
        target : array-like of shape (n_target_samples, n_features), default=None
            Sample of the target distribution; None for ``X``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows of ``X``.
        target_weight : array-like of shape (n_target_samples,), default=None
            Weights of the rows of ``target``.

        Returns
        -------
        score : float
            Minus the Sinkhorn divergence at ``reg_``: 0 where the image is the target,
            negative elsewhere.
        """
        image = self.transform(X)
        same = target is None
        Y = move(check_points(self, X if same else target), cuda.target_of(image))
        if same and target_weight is None:
            target_weight = sample_weight
        a, _ = check_mass(sample_weight, image.shape[0], "sample_weight", "rows of X")
        b, _ = check_mass(target_weight, Y.shape[0], "target_weight", "rows of target")
        image, a = with_mass(image, a)
        Y, b = with_mass(asarray_like(Y, image), b)
        tol = PRECISION[_name_of(image)][0]
        cross = EntropicCost(a, b, self.metric, self.reg_, tol)
        value, _ = cross.value_and_gradient(image, Y)
        for weight, points in ((a, image), (b, Y)):
            own = SelfCost(weight, self.metric, self.reg_, tol)
            value -= 0.5 * own.value_and_gradient(points)[0]
        return -value

    def _check_target(self, data, target, weight):
        """Return the data for fingerprints, the target, and its weights on the host."""
        if target is None:
            share = data.sample_weight if weight is None else weight
            target = data.X_source
        else:
            share, target = weight, move(check_points(self, target), data.source)
        m = target.shape[0]
        share, _ = check_mass(share, m, "target_weight", "rows of target")
        # A checkpoint belongs to a target as much as to X.
        data = replace(data, y_source=target)
        target = move(target, data.target)
        return data, cast_points(target, data.X, "target", "X"), share

    def _energy(self, data, Y, weight):
        """Return the objective of the coefficients."""
        X, a = with_mass(data.X, data.sample_weight)
        Y, b = with_mass(Y, weight)
        weights = asarray_like(a, X), asarray_like(b, X)
        check_magnitude(X, Y, *weights, self.metric)
        form = displacement_between(
            X,
            Y,
            *weights,
            n_components=0 if self.map == "affine" else int(self.n_components),
            length_scale=self.length_scale,
            rng=spawn(self.random_state, 1)[0],
        )
        shifted = X + asarray_like(form.scale * form.shift, X)
        kappa = mean_cost(self.metric, shifted, Y, *weights) or 1.0
        self.reg_ = float(self.reg) * (kappa if self.normalize_cost else 1.0)
        check_divisor(self.reg_, X)
        return MapEnergy(
            X,
            Y,
            a,
            b,
            form,
            self.metric,
            self.reg_,
            kappa=kappa,
            gap_strength=float(self.gap_strength),
            alpha=float(self.alpha),
            tol=PRECISION[_name_of(X)][0],
        )

    def _describe(self, w, energy):
        """Return the fitted attributes of flat coefficients, in host memory."""
        dtype = _name_of(energy.X)
        found = energy.form.parameters(w.reshape(energy.form.n_rows, -1))
        figures = energy.figures(w)
        return {
            "matrix_": found["matrix"].astype(dtype),
            "offset_": found["offset"].astype(dtype),
            "random_weights_": found["frequencies"].astype(dtype),
            "random_offset_": found["phases"].astype(dtype),
            "coef_": found["coef"].astype(dtype),
            "divergence_": figures["divergence"],
            "monge_gap_": figures["gap"],
            "marginal_error_": figures["marginal_error"],
        }

    def _check_parameters(self):
        """Raise ValueError for a parameter out of range."""
        check_choice("map", self.map, MAPS)
        check_choice("metric", self.metric, METRICS)
        check_choice("normalize_cost", self.normalize_cost, ("mean", None))
        hint = "0.05 is a twentieth of the mean cost."
        check_positive("reg", self.reg, hint=hint)
        check_squarable("reg", self.reg)
        check_positive("length_scale", self.length_scale, optional=True)
        check_number("gap_strength", self.gap_strength, 0)
        check_number("alpha", self.alpha, 0)
        check_count("n_components", self.n_components)


def _name_of(X):
    """Return the name of the dtype: "float32" or "float64"."""
    return "float32" if X.dtype == namespace(X).float32 else "float64"
