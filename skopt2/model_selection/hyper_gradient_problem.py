"""From an estimator and its data to the bilevel problem of its penalties."""

import math

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from skopt2._core.array import is_sparse
from skopt2._core.array_parameters import as_numbers
from skopt2._core.iterate import iterate
from skopt2._core.parameters import check_choice
from skopt2.linear_model.cross_validation import make_folds
from skopt2.linear_model.formulation import Formulation
from skopt2.linear_model.grouping import check_groups
from skopt2.linear_model.path_selection import PathSelection
from skopt2.linear_model.sparse_classifier import SparseClassifier
from skopt2.linear_model.sparse_regressor import SparseRegressor
from skopt2.linear_model.sparsemax_classifier import SparsemaxClassifier
from skopt2.losses import get_loss
from skopt2.losses.encoding import encode_target
from skopt2.model_selection.hyper_gradient_shrinkage import choose_shrinkage
from skopt2.penalties import get_penalty
from skopt2.penalties.elastic_net import ElasticNet
from skopt2.solvers.bilevel.bend import SUPPORTED
from skopt2.solvers.bilevel.levels import Levels
from skopt2.solvers.bilevel.lower import LowerProblem
from skopt2.solvers.bilevel.maid import Maid
from skopt2.solvers.bilevel.upper import Upper

# Levels of the first look, relative to the one that leaves an l1 fit empty and to the
# mean curvature of a coefficient.
SCAN_L1 = 10.0 ** np.array([-0.3, -0.8, -1.3, -1.8, -2.5])
SCAN_L2 = 10.0 ** np.array([1.0, 0.0, -1.0, -2.0, -3.0, -4.0])
# Squared terms beside an l1 term: first hardly any, then these.
LITTLE, RIDGES = 1e-3, 10.0 ** np.array([-1.5, -0.5, 0.5])
# The box, in the same units.
BOX_L1, BOX_L2 = (1e-3, 2.0), (1e-7, 1e3)
# Tolerance of one level where many start.
FIRST = 1e-3
# Validation losses that judge the predictor of another loss.
FAMILIES = ({"squared", "huber"}, {"logistic", "squared_hinge", "huberized_hinge"})
PENALTIES = ("single", "terms", "feature", "group")


def check_estimator(estimator):
    """Raise unless an estimator has a penalty whose levels have a hypergradient.

    Parameters
    ----------
    estimator : object
        What the user gave.

    Returns
    -------
    l1_ratio : float
        Share of the l1 norm.
    """
    single = isinstance(estimator, (SparseRegressor, SparseClassifier))
    if not single or isinstance(estimator, (PathSelection, SparsemaxClassifier)):
        raise TypeError(
            "estimator must be a SparseRegressor or a SparseClassifier, got "
            f"{estimator!r}. Scale features before, in a pipeline that ends with this "
            "search."
        )
    penalty = get_penalty(estimator.penalty)
    ratio = 1.0 if penalty.name == "l1" else getattr(penalty, "l1_ratio", None)
    if penalty.name not in ("l1", "elasticnet"):
        raise ValueError(
            "The hypergradient needs a convex penalty with a level for each feature: "
            "penalty='l1' or 'elasticnet', with l1_ratio=0 for ridge; got "
            f"penalty={estimator.penalty!r}. A nonconvex fit may jump to another "
            "minimum, where no bound holds."
        )
    penalty.check_parameters()
    if estimator.positive:
        raise ValueError("positive=True of the estimator is not supported here.")
    return float(ratio)


class HyperGradientProblem:
    """The bilevel problem of one fit.

    Parameters
    ----------
    search : HyperGradientCV
        Its parameters.
    data : FitInput
        Checked, on the host.
    split_params : dict
        For the splitter.
    """

    def __init__(self, search, data, split_params):
        self.search, self.estimator = search, search.estimator
        self.l1_ratio = check_estimator(self.estimator)
        self.formulation = Formulation(self.estimator, data)
        self.loss = self.formulation.loss
        if self.loss.name not in SUPPORTED:
            raise ValueError(
                f"loss={self.estimator.loss!r} has no second derivative to speak of. "
                f"Use one of {sorted(SUPPORTED)}."
            )
        self.validation_loss = self._judge()
        self.factor = self.formulation.factor
        self._check_factor()
        self.levels = self._levels(search.penalties)
        n_classes = None if data.classes is None else len(data.classes)
        self._y = encode_target(self.loss, data.y, n_classes, data.X)
        self._X = data.X.tocsr() if is_sparse(data.X) else data.X
        self._weight = data.sample_weight
        self._codes = None if data.classes is None else data.y
        self.folds = make_folds(search, data, split_params)
        self.lowers = [self.lower(fold) for fold in self.folds]

    def _judge(self):
        """Return the loss of the validation samples."""
        given = self.search.validation_loss
        if given is None:
            return self.loss
        try:
            loss = get_loss(given)
        except (TypeError, ValueError) as error:
            raise type(error)(f"validation_loss={given!r}: {error}") from error
        loss.check_parameters()
        names = {loss.name, self.loss.name}
        if len(names) > 1 and not any(names <= family for family in FAMILIES):
            raise ValueError(
                f"validation_loss={given!r} cannot judge the predictor of loss="
                f"{self.loss.name!r}. Use None for the same loss."
            )
        return loss

    def _check_factor(self):
        factor, several = self.factor, self.search.penalties == "terms"
        if (factor == 0).any() and (self.l1_ratio > 0 or several):
            raise ValueError(
                "penalty_factor of 0 under an l1 norm leaves fits without a duality "
                "gap, which the bounds need. Give those features a small factor, or "
                "use ridge: penalty=ElasticNet(0)."
            )
        if not (np.isfinite(factor) & (factor > 0)).any():
            raise ValueError("penalty_factor leaves no feature with a penalty.")

    def _levels(self, penalties):
        """Return what the hyperparameters mean."""
        p, search = self.factor.size, self.search
        check_choice("penalties", penalties, PENALTIES)
        if (search.groups is not None) != (search.penalties == "group"):
            raise ValueError(
                "groups goes with penalties='group', and only with it; got "
                f"penalties={search.penalties!r}, groups={search.groups!r}."
            )
        self.labels = None
        ratio, index = self.l1_ratio, np.zeros(p, dtype=np.int64)
        if penalties == "terms":
            if self.l1_ratio in (0.0, 1.0):
                raise ValueError(
                    "penalties='terms' needs penalty='elasticnet' with an l1_ratio "
                    f"between 0 and 1, got penalty={self.estimator.penalty!r}."
                )
            ratio = None
        elif penalties == "feature":
            index = np.arange(p)
        elif penalties == "group":
            names = getattr(search, "feature_names_in_", None)
            groups, self.labels = check_groups(search.groups, p, names)
            if not hasattr(groups, "index"):
                raise ValueError("groups must not share columns: a level would be two.")
            index = groups.index
        # Of the levels that the user sees, whatever the search finds out about them.
        self._index, self.n_levels = index, int(index.max()) + 1
        return Levels(index, self.factor, ratio)

    def lower(self, fold):
        """Return one split.

        Parameters
        ----------
        fold : Fold
            Rows.
        """
        parts = []
        for rows in (fold.train, fold.test):
            X, y = self._X[rows].astype(np.float64), self._y[rows].astype(np.float64)
            s = np.ones(rows.size)
            if self._weight is not None:
                s = self._weight[rows].astype(np.float64)
            parts.append((X, y, s / s.sum()))
        return LowerProblem(
            *parts,
            self.loss,
            self.validation_loss,
            self.estimator.fit_intercept,
            self.levels,
            self.estimator.solver,
            self.estimator.random_state,
        )

    def _units(self):
        """Return the levels of the two terms that all others are compared with."""
        problems = [lower.problem for lower in self.lowers]
        factor = np.where(np.isfinite(self.factor), self.factor, 0.0)
        used = factor > 0
        force, bend = [], []
        for problem in problems:
            gradient = np.abs(problem.null_gradient)
            gradient = gradient if gradient.ndim == 1 else gradient.max(axis=1)
            force.append(float((gradient[used] / factor[used]).max()))
            h = problem.curvature(problem.null_predictor)
            bent = float(np.mean(problem.mean_curvature(h)))
            norms = problem.design.squared_norms
            bend.append(bent * float((norms[used] / factor[used]).mean()))
        first, second = float(np.mean(force)), float(np.mean(bend))
        return first if first > 0 else 1.0, second if second > 0 else 1.0

    def box(self, levels):
        """Return the bounds of theta.

        Parameters
        ----------
        levels : Levels
            What theta means.
        """
        bounds = self.search.bounds
        if bounds is None:
            boxes = self._boxes(levels)
        else:
            try:
                low, high = (float(bound) for bound in bounds)
            except (TypeError, ValueError) as error:
                raise TypeError(
                    f"bounds must be None or two numbers, got bounds={bounds!r}."
                ) from error
            if not 0 < low < high < np.inf:
                raise ValueError(
                    "bounds must be two finite levels with 0 < low < high, got "
                    f"bounds={bounds!r}."
                )
            boxes = [(low, high)] * levels.n
        low, high = np.log(np.array(boxes)).T
        return low, high

    def _boxes(self, levels):
        first, second = self._units()
        one = [bound * first for bound in BOX_L1]
        two = [bound * second for bound in BOX_L2]
        if levels.has_terms:
            return [one, two]
        ratio = self.l1_ratio
        if ratio >= 0.05:
            return [[bound / ratio for bound in one]] * levels.n
        return [two] * levels.n

    def _scan(self, levels):
        """Return the points of the first look, (k, d)."""
        first, second = self._units()
        if levels.has_terms:
            # Hardly any ridge with each l1 level; then more of it with the best.
            return np.log(
                np.c_[first * SCAN_L1, np.full(SCAN_L1.size, LITTLE * second)]
            )
        if self.l1_ratio >= 0.05:
            return np.log(first / self.l1_ratio * SCAN_L1)[:, None]
        return np.log(second * SCAN_L2)[:, None]

    def run(self, function, items):
        """Apply a function to the splits, so many at a time as the user asks for."""
        n_jobs = self.search.n_jobs
        if effective_n_jobs(n_jobs) == 1:
            return map(function, items)
        tasks = (delayed(function)(item) for item in items)
        return Parallel(n_jobs=n_jobs, require="sharedmem")(tasks)

    def solver(self):
        """Return the method and its first state."""
        search, levels = self.search, self.levels
        shrinkage = 0.0
        self.shrinkage, self.nested_losses = None, {}
        if search.penalties in ("feature", "group") and levels.n > 1:
            shrinkage = self._strength()
        if math.isinf(shrinkage):
            # One level for all is no worse: all of theta moves as one.
            levels = self.levels = self._as_one(levels)
            shrinkage = 0.0
        if search.init is not None:
            theta = self._given(levels)
        elif levels.has_terms or levels.n == 1:
            theta = self._scanned(self.lowers, levels).theta
        else:
            theta = np.repeat(self.single(self.lowers), levels.n)
        upper = Upper(self.lowers, levels, shrinkage, self.run)
        low, high = self.box(levels)
        maid = Maid(upper, low, high, search.tol, search.accuracy, search.step_size)
        return maid, maid.init(np.clip(theta, low, high))

    def _strength(self):
        """Return how strongly the levels are pulled together."""
        given = self.search.shrinkage
        if given == "auto":
            given, self.nested_losses = choose_shrinkage(self, self._codes)
        self.shrinkage = float(given)
        return self.shrinkage

    def _as_one(self, levels):
        zero = np.zeros(self.factor.size, dtype=np.int64)
        return Levels(zero, self.factor, self.l1_ratio)

    def _given(self, levels):
        """Return the start of the user."""
        init = as_numbers("init", self.search.init)
        n_levels = levels.n if levels.has_terms else self.n_levels
        if init.shape not in ((), (n_levels,)):
            raise ValueError(
                f"init has shape {init.shape}, expected a number or ({n_levels},): "
                "one level for each hyperparameter."
            )
        if not (np.isfinite(init) & (init > 0)).all():
            raise ValueError(
                f"init must hold finite positive levels, got {self.search.init!r}."
            )
        theta = np.log(np.broadcast_to(init, (n_levels,)))
        return theta if levels.n > 1 else theta.mean(keepdims=True)

    def _scanned(self, lowers, levels):
        """Return the best of a few levels."""
        upper = Upper(lowers, levels, 0.0, self.run)
        low, high = self.box(levels)
        points, best, at = self._scan(levels), None, None
        for theta in points:
            theta = np.clip(theta, low, high)
            at = upper.evaluate(theta, self.search.accuracy, at)
            if best is None or at.value < best.value:
                best = at
        if levels.has_terms:
            for level in np.log(RIDGES * self._units()[1]):
                theta = np.clip([best.theta[0], level], low, high)
                at = upper.evaluate(theta, self.search.accuracy, at)
                best = at if at.value < best.value else best
        return best

    def single(self, lowers):
        """Return theta, (1,), of one level for all: where many start.

        Parameters
        ----------
        lowers : list of LowerProblem
            Splits.
        """
        search, levels = self.search, self._as_one(self.levels)
        best = self._scanned(lowers, levels)
        upper = Upper(lowers, levels, 0.0, self.run)
        low, high = self.box(levels)
        maid = Maid(upper, low, high, FIRST, search.accuracy, search.step_size)
        state = maid.init(best.theta, best)
        return iterate(maid, state, tol=FIRST, max_iter=20).solution[0]

    def spread(self, theta):
        """Return theta for every level of the user."""
        return np.repeat(theta, self.n_levels) if theta.size == 1 else theta

    def parameters(self, theta):
        """Return the parameters of the estimator at a point.

        Parameters
        ----------
        theta : ndarray of shape (n_levels,)
            Logarithms of the levels.
        """
        level, given = np.exp(theta), self.estimator.penalty_factor is not None
        if self.levels.has_terms:
            total = float(level.sum())
            return {"alpha": total, "penalty": ElasticNet(float(level[0]) / total)}
        if self.search.penalties == "single":
            return {"alpha": float(level[0])}
        # The median of equal numbers is that number, to the last digit.
        alpha = float(np.median(level))
        factor = level[self._index] / alpha
        with np.errstate(invalid="ignore"):
            factor = factor * self.factor if given else factor
        return {"alpha": alpha, "penalty_factor": factor}
