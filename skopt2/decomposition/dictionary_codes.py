"""Codes of histograms under a fitted dictionary."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from skopt2._core import cuda
from skopt2._core.array import accumulation_dtype, asarray_like, move, namespace
from skopt2._core.estimator import level_of_caller
from skopt2._core.histograms import normalise
from skopt2._core.transfer import convert
from skopt2.solvers.wasserstein_dictionary.codes import solve_codes
from skopt2.solvers.wasserstein_dictionary.loss import EntropicLoss

# Dual steps of a row for each sweep that the fit may take.
STEPS = 50


def codes_of(estimator, X):
    """Return the codes of checked histograms.

    Parameters
    ----------
    estimator : WassersteinDictionary
        Fitted.
    X : array of shape (n_samples, n_bins)
        Checked.

    Returns
    -------
    T : array of shape (n_samples, n_components)
        Where the estimator computes, in the dtype of the computation.
    """
    _, target = cuda.resolve(estimator.device, X)
    with target.activate():
        moved = move(X, target)
        # In the precision of the data, whatever that of the fit.
        metric = convert(estimator._metric, target)
        D = asarray_like(move(estimator.components_, target), moved)
        axes = [asarray_like(C, moved) for C in metric.axes]
        metric = type(metric)(axes, metric.eps, metric.scale)
        A = normalise(moved, type(estimator).__name__)
        loss = EntropicLoss(metric.kernel(), A)
        xp, tol = namespace(A), estimator.tol
        T, gaps = solve_codes(
            loss,
            D,
            float(estimator.prox) * metric.eps,
            metric.scale,
            tol,
            STEPS * estimator.max_iter,
        )
        worst = float(xp.max(gaps))
        if not worst <= tol:
            warnings.warn(
                f"The codes of a row did not reach tol={tol:.0e}: its certificate is "
                f"{worst:.1e}. Increase max_iter or reg, or loosen tol.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )
        if estimator.codes == "nonnegative":
            wide = accumulation_dtype(moved)
            mass = xp.sum(moved, axis=1, keepdims=True, dtype=wide)
            T = T * xp.astype(mass, T.dtype)
        return T
