"""Parameters of an l_p dictionary, and where its fit starts."""

from skopt2._core.array import asarray_like, flatnonzero, move, namespace, take
from skopt2._core.parameters import check_count, check_number
from skopt2._core.random import Stream

# Steps of every start before the best of them goes on.
TRIAL = 15


def check_lp_dictionary(estimator):
    """Raise ValueError unless the parameters are in range.

    Parameters
    ----------
    estimator : LpDictionaryLearning
        Not fitted.
    """
    check_count("n_components", estimator.n_components, optional=True)
    hint = "At 2 every rotation has the same norm; 3 and 4 are common."
    check_number("p", estimator.p, 2, closed="neither", hint=hint)
    check_number("threshold", estimator.threshold, 0)
    check_count("n_init", estimator.n_init)


def counted_rows(data):
    """Return the rows of positive weight, and their weights.

    Parameters
    ----------
    data : FitInput
        Checked.

    Returns
    -------
    X : array of shape (n, p)
        Rows.
    s : array of shape (n,) or None
        Weights, None for equal ones.
    """
    X, s = data.X, data.sample_weight
    if s is None:
        return X, None
    kept = flatnonzero(s > 0.0)
    return take(X, kept), take(s, kept)


def starting_state(estimator, solver, whitening, target):
    """Return the state to start from.

    Parameters
    ----------
    estimator : LpDictionaryLearning
        Its parameters, and its last fit where ``warm_start`` asks for it.
    solver : PowerMethod
        Of the data.
    whitening : Whitening
        Of the data.
    target : Target
        Where to compute.

    Returns
    -------
    state : PowerState
        At the last fit, or the best of the random starts.
    """
    last = getattr(estimator, "components_", None) if estimator.warm_start else None
    if last is not None and tuple(last.shape) == tuple(whitening.backward.shape):
        atoms = asarray_like(move(last, target), whitening.forward)
        rows = atoms @ whitening.forward
        xp = namespace(rows)
        norms = xp.sqrt(xp.sum(rows * rows, axis=1, keepdims=True))
        rows = rows / xp.where(norms > 0.0, norms, xp.ones_like(norms))
        return solver.start(asarray_like(rows, solver.Z))
    stream = Stream(estimator.random_state, target)
    best = None
    for _ in range(estimator.n_init):
        drawn = asarray_like(stream.normal((solver.k, solver.k)), solver.Z)
        state = solver.start(drawn)
        for _ in range(TRIAL if estimator.n_init > 1 else 0):
            state = solver.step(state)
        if best is None or state.value > best.value:
            best = state
    return best
