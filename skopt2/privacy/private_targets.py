"""Targets of private regressors: clipped to public bounds and mapped to [-1, 1]."""

import numpy as np

from skopt2._core.array import asarray_like, namespace
from skopt2.losses import Huber, Squared, get_loss
from skopt2.privacy.private_parameters import check_bounds

# Residual from which "huber" is linear, as a share of half of the width of the bounds.
HUBER = 0.2


class TargetScale:
    """The map y -> (min(max(y, low), high) - middle) / half, and back.

    Parameters
    ----------
    y_bounds : tuple (low, high)
        Numbers, or arrays of shape (n_targets,).
    n_outputs : int or None
        Targets; None for one, as a vector.
    centred : bool, default=True
        Whether the middle of the bounds becomes 0; otherwise 0 stays.

    Attributes
    ----------
    middle, half : ndarray of shape (n_targets,) or ()
        float64.
    """

    def __init__(self, y_bounds, n_outputs, centred=True):
        low, high = check_bounds("y_bounds", y_bounds, n_outputs or 1)
        if n_outputs is None:
            low, high = low[0], high[0]
        self._low, self._high = low, high
        if centred:
            self.middle, self.half = (low + high) / 2, (high - low) / 2
        else:
            self.middle = np.zeros_like(low)
            self.half = np.maximum(np.abs(low), np.abs(high))

    def __call__(self, y):
        """Return scaled targets, and 0.0 for rows with NaN or infinity.

        Parameters
        ----------
        y : array of shape (n,) or (n, n_targets)
            Any values.

        Returns
        -------
        targets : array of shape (n,) or (n, n_targets)
            In [-1, 1], of the dtype of ``y``.
        keep : array of shape (n,)
            0.0 or 1.0.
        """
        xp = namespace(y)
        finite = xp.isfinite(y)
        keep = finite if y.ndim == 1 else xp.all(finite, axis=1)
        low, high, middle, half = (
            asarray_like(np.asarray(value), y)
            for value in (self._low, self._high, self.middle, self.half)
        )
        y = xp.where(finite, y, middle)
        scaled = (xp.minimum(xp.maximum(y, low), high) - middle) / half
        one = xp.ones_like(scaled)
        # Rounding must not leave [-1, 1], nor a float32 what float64 bounds allow.
        return xp.minimum(xp.maximum(scaled, -one), one), xp.astype(keep, y.dtype)

    def fold(self, coef, intercept):
        """Return coefficients for targets as they come.

        Parameters
        ----------
        coef : ndarray of shape (d,) or (d, n_targets)
            Of the scaled targets.
        intercept : float or ndarray of shape (n_targets,)
            Likewise.

        Returns
        -------
        coef, intercept : ndarray, float or ndarray
            In units of the targets.
        """
        return coef * self.half, intercept * self.half + self.middle


def scaled_loss(loss, scale):
    """Return the loss in scaled targets.

    Parameters
    ----------
    loss : {"squared", "huber"}, Squared or Huber
        ``delta`` of an object is in units of y, "huber" has a tenth of the width of
        the bounds.
    scale : TargetScale
        Of the targets.

    Returns
    -------
    loss : Squared or Huber
        For targets in [-1, 1].

    Raises
    ------
    ValueError
        If it is another loss, or one delta would differ between targets.
    """
    if isinstance(loss, str) and loss == "huber":
        return Huber(delta=HUBER)
    found = get_loss(loss) if isinstance(loss, (str, Squared, Huber)) else None
    if found is None or found.name not in ("squared", "huber"):
        raise ValueError(
            "loss must be 'squared', 'huber', or an object of skopt2.losses.Squared or "
            f"Huber; got loss={loss!r}."
        )
    if found.name == "squared":
        return found
    halves = np.unique(scale.half)
    if halves.size > 1:
        raise ValueError(
            f"loss={loss!r} has one delta in units of y, but y_bounds have different "
            "widths: scale the targets by public numbers, or use loss='huber'."
        )
    return Huber(delta=float(found.delta) / float(halves[0]))


def check_y_bounds(y_bounds):
    """Raise ValueError where the bounds of the targets are missing.

    Parameters
    ----------
    y_bounds : object
        As given.
    """
    if y_bounds is None:
        raise ValueError(
            "y_bounds=None: a private regression needs public bounds of the target, "
            "for example y_bounds=(0.0, 100.0). Bounds taken from y would tell its "
            "extreme values; y outside of the bounds is clipped."
        )


def check_some_finite(y):
    """Raise ValueError for targets of which none is a finite number.

    The only error about values in a private fit. It tells no two data sets apart, with
    and without a row, that both have a finite target.

    Parameters
    ----------
    y : array of shape (n,) or (n, n_targets)
        All targets of a fit.
    """
    xp = namespace(y)
    if not bool(xp.any(xp.isfinite(y))):
        raise ValueError(
            "y contains NaN or infinity only: there is nothing to fit. A row with such "
            "a target counts as nothing."
        )


def check_moment_solver(estimator):
    """Raise ValueError where a solver that releases moments lacks what it needs.

    Parameters
    ----------
    estimator : DPLinearRegressor
        With ``solver``, ``batch_size``, ``center`` and ``loss``.
    """
    solver, loss = estimator.solver, estimator.loss
    if solver not in ("preconditioned", "adassp"):
        return
    if estimator.batch_size is not None:
        raise ValueError(
            f"solver={solver!r} reads all rows, but batch_size="
            f"{estimator.batch_size}: use solver='sgd', or batch_size=None."
        )
    if solver == "preconditioned":
        return
    if estimator.center == "private":
        raise ValueError(
            "center='private' is for descents: the moments of solver='adassp' are "
            "centred by themselves. Use center='midpoint'."
        )
    if getattr(loss, "name", loss) != "squared":
        raise ValueError(
            f"solver='adassp' is for loss='squared'; got loss={loss!r}. Use "
            "solver='preconditioned'."
        )


class BoundedTargets:
    """Mixin of the private regressions, whose targets have public bounds."""

    def _rows(self, data, encode, row_map):
        # Called when the budget is spent.
        if not data.streamed:
            _, y = next(data.chunks())
            if y.shape[0] == data.n_rows:
                check_some_finite(y)
        return super()._rows(data, encode, row_map)
