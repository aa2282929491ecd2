"""Barycentres of point clouds: checks, start, solver, result."""

import numbers

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import asarray_like, move, namespace, take, to_numpy
from skopt2._core.iterate import iterate
from skopt2._core.random import spawn
from skopt2.solvers.transport.barycenter_free import FreeSupport
from skopt2.transport.barycenter_result import FreePlans, conclude, spread
from skopt2.transport.dense_input import check_points
from skopt2.transport.measures import (
    check_clouds,
    check_masses,
    check_weights,
)
from skopt2.transport.point_cloud import PointCloud

# Standard deviation, relative to that of the points, of what tells points apart that
# are drawn twice: equal points would stay equal for ever.
JITTER = 1e-3


def find_free(
    measures,
    reg,
    weights,
    debiased,
    random_state,
    device,
    options,
    *,
    masses,
    n_support,
    support,
):
    """Find the barycentre of point clouds.

    Parameters
    ----------
    measures, reg, weights, debiased, random_state, device, masses, n_support, support
        As in :func:`.barycenter.wasserstein_barycenter`.
    options : dict
        ``name``, ``tol``, ``max_iter`` and ``time_limit`` of the loop.

    Returns
    -------
    found : BarycenterResult
    """
    if not isinstance(measures, (list, tuple)):
        # A stack of clouds of one size.
        measures = [measures[k, ...] for k in range(measures.shape[0])]
    source, target = cuda.resolve(device, measures[0] if measures else None)
    clouds = check_clouds(measures, source)
    n, lengths = len(clouds), [int(Y.shape[0]) for Y in clouds]
    weights = check_weights(weights, n)
    masses = _check_all_masses(masses, lengths)
    used = [int(k) for k in np.flatnonzero(weights)]
    rows = [np.flatnonzero(masses[k]) for k in used]
    with target.activate():
        clouds = [
            move(take(clouds[k], index), target)
            for k, index in zip(used, rows, strict=True)
        ]
        b = [
            asarray_like(masses[k][index], clouds[0])
            for k, index in zip(used, rows, strict=True)
        ]
        w = weights[used]
        X = _check_support(support, n_support, clouds, b, w, random_state)
        m = int(X.shape[0])
        p = asarray_like(np.full(m, 1.0 / m), X)

        def geometry(Y, X):
            return PointCloud(Y, X).geometry(target)

        solver = FreeSupport(
            clouds,
            b,
            p,
            w,
            reg,
            debiased=debiased,
            tol=options["tol"],
            geometry=geometry,
        )
        result = iterate(solver, solver.start(X), **options)
        found = result.solution
        numbers_ = {k: s for s, k in enumerate(used)}
        plans = FreePlans(
            found, numbers_, b, p, rows, [lengths[k] for k in used], source
        )
        return conclude(
            result,
            barycenter=move(p, source),
            support=move(found.X, source),
            weights=weights,
            potentials=_potentials(found, numbers_, rows, lengths, m, source),
            marginal_error=float(found.errors.max()),
            displacement=found.displacement,
            reg=reg,
            debiased=bool(debiased),
            _plans=plans,
        )


def _check_all_masses(masses, lengths):
    """Return the masses of all clouds."""
    if masses is None:
        masses = [None] * len(lengths)
    if len(masses) != len(lengths):
        raise ValueError(
            f"masses holds {len(masses)} arrays, expected {len(lengths)}: one for each "
            "point cloud."
        )
    return [
        check_masses(a, length, f"masses[{k}]")
        for k, (a, length) in enumerate(zip(masses, lengths, strict=True))
    ]


def _check_support(support, n_support, clouds, b, w, random_state):
    """Return the points to start from, beside the clouds."""
    if support is None:
        if isinstance(n_support, bool) or not (
            isinstance(n_support, numbers.Integral) and n_support >= 1
        ):
            raise ValueError(
                f"n_support must be a positive integer; got {n_support!r}."
            )
        return _draw(int(n_support), clouds, b, w, random_state)
    X = asarray_like(check_points(support, "support"), clouds[0])
    if X.shape[1] != clouds[0].shape[1]:
        raise ValueError(
            f"support has {X.shape[1]} features, but the point clouds have "
            f"{clouds[0].shape[1]}."
        )
    if n_support is not None and n_support != X.shape[0]:
        raise ValueError(
            f"n_support is {n_support!r}, but support has {X.shape[0]} points. Leave "
            "out one of them."
        )
    return X


def _draw(m, clouds, b, w, random_state):
    """Return points of the clouds, drawn by weight times mass, each once if it can."""
    (rng,) = spawn(random_state, 1)
    share = np.concatenate(
        [weight * to_numpy(masses) for weight, masses in zip(w, b, strict=True)]
    ).astype(np.float64)
    share /= share.sum()
    total = share.size
    xp = namespace(clouds[0])
    points = xp.concat(clouds) if len(clouds) > 1 else clouds[0]
    again = m > total
    index = rng.choice(total, m, replace=again, p=share)
    X = take(points, index)
    if again:
        spread_ = to_numpy(xp.std(points, axis=0)).astype(np.float64)
        X = X + asarray_like(JITTER * spread_ * rng.standard_normal(X.shape), X)
    return X


def _potentials(found, places, rows, lengths, m, source):
    """Return the potentials of all clouds; NaN for those without weight."""
    some = found.potentials[0][1]
    xp = namespace(some)
    f, g = [], []
    for k, length in enumerate(lengths):
        if k in places:
            s = places[k]
            pair = found.geometries[s].centring.outside(*found.potentials[s])
            pair = spread(pair[0], rows[s], length, -np.inf), pair[1]
        else:
            none = xp.zeros_like(some[:1]) + np.nan
            pair = tuple(xp.broadcast_to(none, (size,)) for size in (length, m))
        f.append(move(pair[0], source))
        g.append(move(pair[1], source))
    return f, g
