"""From an estimator and its data to the bilevel problem of its penalties."""

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from skopt2._core.array import is_sparse
from skopt2._core.iterate import iterate
from skopt2.linear_model.cross_validation import make_folds
from skopt2.linear_model.encoding import encode_target
from skopt2.linear_model.formulation import Formulation, on_host
from skopt2.linear_model.grouping import check_groups
from skopt2.linear_model.path_selection import PathSelection
from skopt2.linear_model.sparse_model import SparseLinearModel
from skopt2.losses import get_loss
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
# The box, in the same units.
BOX_L1, BOX_L2 = (1e-3, 2.0), (1e-7, 1e3)
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
    if not isinstance(estimator, SparseLinearModel) or isinstance(
        estimator, PathSelection
    ):
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
        self.folds = make_folds(search, data, split_params)
        self.lowers = [self._lower(data, fold) for fold in self.folds]

    def _judge(self):
        """Return the loss of the validation samples."""
        given = self.search.validation_loss
        if given is None:
            return self.loss
        loss = get_loss(given)
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
        if penalties not in PENALTIES:
            raise ValueError(
                f"penalties must be one of {list(PENALTIES)}, got {penalties!r}."
            )
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
        return Levels(index, self.factor, ratio)

    def _lower(self, data, fold):
        """Return one split."""
        parts = []
        for rows in (fold.train, fold.test):
            X, y = self._X[rows].astype(np.float64), self._y[rows].astype(np.float64)
            s = np.ones(rows.size)
            if data.sample_weight is not None:
                s = data.sample_weight[rows].astype(np.float64)
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
            return np.log(np.c_[first * SCAN_L1, second * SCAN_L1])
        if self.l1_ratio >= 0.05:
            return np.log(first / self.l1_ratio * SCAN_L1)[:, None]
        return np.log(second * SCAN_L2)[:, None]

    def upper(self, levels, shrinkage, n_jobs):
        """Return the upper level."""

        def run(function, items):
            if n_jobs in (None, 1):
                return map(function, items)
            tasks = (delayed(function)(item) for item in items)
            return Parallel(n_jobs=n_jobs, require="sharedmem")(tasks)

        return Upper(self.lowers, levels, shrinkage, run)

    def solver(self):
        """Return the method and its first state."""
        search, levels = self.search, self.levels
        several = search.penalties in ("feature", "group") and levels.n > 1
        shrinkage = float(search.shrinkage) if several else 0.0
        given = search.start is not None
        theta = self._given(levels) if given else self._found(levels)
        upper = self.upper(levels, shrinkage, search.n_jobs)
        low, high = self.box(levels)
        maid = Maid(upper, low, high, search.tol, search.accuracy, search.step_size)
        return maid, maid.init(np.clip(theta, low, high))

    def _given(self, levels):
        """Return the start of the user."""
        start = on_host("start", self.search.start)
        if start.shape not in ((), (levels.n,)):
            raise ValueError(
                f"start has shape {start.shape}, expected a number or ({levels.n},): "
                "one level for each hyperparameter."
            )
        if not (np.isfinite(start) & (start > 0)).all():
            raise ValueError(
                f"start must hold finite positive levels, got {self.search.start!r}."
            )
        return np.log(np.broadcast_to(start, (levels.n,)))

    def _found(self, levels):
        """Return the start: the best of a few, and a single level before many."""
        search = self.search
        single = levels
        if levels.n > 1 and not levels.has_terms:
            zero = np.zeros(self.factor.size, dtype=np.int64)
            single = Levels(zero, self.factor, self.l1_ratio)
        upper = self.upper(single, 0.0, search.n_jobs)
        low, high = self.box(single)
        best = at = None
        for theta in np.clip(self._scan(single), low, high):
            at = upper.evaluate(theta, search.accuracy, at)
            if best is None or at.value < best.value:
                best = at
        if single is levels:
            return best.theta
        maid = Maid(upper, low, high, 1e-2, search.accuracy, search.step_size)
        first = maid.init(best.theta, best)
        result = iterate(maid, first, tol=1e-2, max_iter=10)
        return np.repeat(result.solution[0], levels.n)

    def parameters(self, theta):
        """Return the parameters of the estimator at a point.

        Parameters
        ----------
        theta : ndarray of shape (d,)
            Logarithms of the levels.
        """
        level, given = np.exp(theta), self.estimator.penalty_factor is not None
        if self.levels.has_terms:
            total = float(level.sum())
            return {"alpha": total, "penalty": ElasticNet(float(level[0]) / total)}
        if self.levels.n == 1 and self.search.penalties == "single":
            return {"alpha": float(level[0])}
        alpha = float(np.exp(theta.mean()))
        factor = level[self.levels.index[0]] / alpha
        with np.errstate(invalid="ignore"):
            factor = factor * self.factor if given else factor
        return {"alpha": alpha, "penalty_factor": factor}
