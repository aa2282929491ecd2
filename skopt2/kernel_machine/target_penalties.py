"""A ridge penalty of its own for each target.

The systems (K + alpha_j W^-1) a_j = y_j with one alpha share a solve; those with
another one are solved after it.
"""

from dataclasses import replace

import numpy as np

from skopt2._core.array import index_like, namespace, put, take
from skopt2._core.array_parameters import as_numbers
from skopt2._core.parameters import parameter_error
from skopt2._core.result import History, StopReason


def check_penalties(alpha):
    """Return penalties as an array.

    Parameters
    ----------
    alpha : array-like of shape (n_targets,)
        The user's.

    Returns
    -------
    alpha : ndarray of shape (n_targets,)

    Raises
    ------
    ValueError
        If they are no vector of finite numbers that are not negative.
    """
    values = as_numbers("alpha", alpha)
    if values.ndim != 1 or not (np.isfinite(values).all() and (values >= 0).all()):
        raise parameter_error(
            "alpha", alpha, "a nonnegative number or a vector of one for each target"
        )
    return values


def solve_by_penalty(alpha, sample, solve):
    """Solve for the targets of each penalty, and join the results.

    Parameters
    ----------
    alpha : ndarray of shape (c,)
        Penalties.
    sample : Sample
        Rows with c targets.
    solve : callable
        ``solve(sample, alpha)`` returns the result for some of the targets.

    Returns
    -------
    result : Result
        Of all targets: steps, passes and times are sums, the certificate is the worst.

    Raises
    ------
    ValueError
        If there are not as many targets.
    """
    xp, c = namespace(sample.Y), int(sample.Y.shape[1])
    if alpha.shape != (c,):
        raise ValueError(
            f"alpha has {alpha.size} values, y has {c} targets: give one for each "
            "target, or one number."
        )
    results, coef = [], None
    for value in np.unique(alpha):
        columns = index_like(np.flatnonzero(alpha == value), sample.Y)
        part = replace(sample, Y=take(sample.Y, columns, axis=1))
        result = solve(part, float(value))
        a = result.solution.a
        if coef is None:
            coef = xp.zeros_like(a[:1, :1]) + xp.zeros((c, a.shape[0]), dtype=a.dtype)
        # Rows are what ``put`` replaces.
        coef = put(coef, columns, a.T)
        results.append(result)
    return _joined(results, coef.T)


def _joined(results, a):
    """Return one result for several."""
    worst = max(results, key=lambda result: result.certificate.value)
    failed = [r for r in results if r.reason != StopReason.CONVERGED]
    epochs = sum(result.solution.n_epochs for result in results)
    restarts = sum(result.solution.n_restarts for result in results)
    history, steps, seconds = History(), 0, 0.0
    for result in results:
        columns = result.history.as_dict()
        for row in range(len(result.history)):
            history.append(
                iteration=steps + int(columns["iteration"][row]),
                time=seconds + float(columns["time"][row]),
                objective=float(columns["objective"][row]),
                certificate=float(columns["certificate"][row]),
            )
        steps += result.n_iter
        seconds += float(columns["time"][-1]) if len(result.history) else 0.0
    return replace(
        worst,
        solution=replace(worst.solution, a=a, n_epochs=epochs, n_restarts=restarts),
        objective=sum(result.objective for result in results),
        reason=failed[0].reason if failed else StopReason.CONVERGED,
        n_iter=steps,
        history=history,
    )
