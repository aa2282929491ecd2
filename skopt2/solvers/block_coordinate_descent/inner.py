"""Descent on a working set: the problem itself, or quadratic models of it.

For the squared loss the model is exact. For other losses it is the second-order one at
a point, f + v'(eta' - eta) + (eta' - eta)' diag(h) (eta' - eta) / 2 with h = s * l'',
written as |root * (eta' - eta) + v / root|^2 / 2, root^2 = h; its minimiser gives a
direction, along which the objective itself must fall. The model of the multinomial loss
is in a file of its own.
Source: J. Lee, Y. Sun and M. Saunders, Proximal Newton-type methods for minimizing
composite functions, SIAM J. Optimization 24, 2014, algorithm 1.
"""

import math

import numpy as np

from skopt2._core.array import dot64
from skopt2.solvers.block_coordinate_descent.blocks import frame
from skopt2.solvers.block_coordinate_descent.bundles import bundle, bundled
from skopt2.solvers.block_coordinate_descent.quadratic import QuadraticModel
from skopt2.solvers.block_coordinate_descent.softmax import SoftmaxModel
from skopt2.solvers.certificate import GAP, objective_scale

# Models a step may take; what their curvature is at least, relative to its bound; how
# much of the predicted decrease a step must reach.
MODELS, FLOOR, ARMIJO, HALVINGS = 10, 1e-4, 1e-4, 30
# Without a bound the curvature grows by this factor, so many times at most, until a
# model is one.
GROWTH, MOST_CAUTION = 4.0, 12
# Rounding of a predicted decrease, relative to the objective, by bytes of a float.
ROUNDING = {4: 3e-6, 8: 2e-13}


def descend(solver, state, groups, lam, final, precision):
    """Return v, the intercept and the predictor after descent on some groups.

    Parameters
    ----------
    solver : BlockDescent
        Problem, blocks and tolerance.
    state : BlockState
        Where to start.
    groups : list of int
        The working set; all other groups are zero.
    lam : ndarray of shape (G,)
        Level per group.
    final : bool
        Whether it is the target level.
    precision : float
        Factor of the tolerance.
    """
    goals = _goals(solver, state, lam, final, precision)
    if solver.problem.loss.is_quadratic:
        return _exact(solver, state, groups, lam, goals)
    return _models(solver, state, groups, lam, goals)


def _goals(solver, state, lam, final, precision):
    """Return the goals of the largest change and of the gap as functions of the first.

    The rounding of X'r ends what sweeps can reach.
    """
    problem = solver.problem
    eps = float(np.finfo(problem.y.dtype).eps)
    rounding = 4.0 * eps * solver.scale
    if not final:
        typical = lam[np.isfinite(lam) & (lam > 0.0)]
        loose = 0.01 * float(np.median(typical)) if typical.size else 0.0
        return lambda first: max(loose, rounding), None
    if solver.certificate_name != GAP:
        tight = 0.3 * solver.tol * precision * solver.scale
        return lambda first: max(tight, 0.1 * first, rounding), None
    scale = objective_scale(problem)
    tight = 0.3 * solver.tol * precision * scale

    def gap_goal(first):
        return max(tight, 0.1 * min(first, state.measure.gap), 4.0 * eps * scale)

    return lambda first: rounding, gap_goal


def _parts(solver, v, groups, dtype):
    """Return the coefficients of the working set, None for zero."""
    parts = []
    for g in groups:
        part = v[_members(solver, g)]
        parts.append(part.astype(dtype) if part.any() else None)
    return parts


def _members(solver, group):
    """Return the coordinates of a group, or of a list of groups."""
    if isinstance(group, list):
        return np.concatenate([solver.partition.members(g) for g in group])
    return solver.partition.members(group)


def _joined(solver, parts, groups):
    """Return all coefficients, float64, from those of the working set."""
    v = np.zeros(solver.partition.index.size)
    for g, part in zip(groups, parts, strict=True):
        if part is not None:
            v[_members(solver, g)] = part
    return v


def _exact(solver, state, groups, lam, goals):
    problem, root = solver.problem, solver.blocks.root
    rows = root if problem.y.ndim == 1 else root[:, None]
    principal, blocks = _principal(solver), solver.blocks
    order, bundles = bundled(problem, state.v, solver.partition, groups, lam)
    framed = [
        bundle([blocks.get(one) for one in g]).frame()
        if isinstance(g, list)
        else blocks.framed(g, principal)
        for g in bundles
    ]
    model = QuadraticModel(
        problem.penalty.penalty,
        framed,
        lam[order],
        _parts(solver, state.v, bundles, problem.y.dtype),
        principal,
        # Outputs first.
        np.ascontiguousarray((rows * problem.y).T),
        root,
    )
    model.minimise(solver.selection, *goals, expired=lambda: problem.expired)
    # Samples of weight 0 count nowhere; any prediction of theirs will do.
    fitted = model.residual().T / np.where(rows > 0.0, rows, 1.0)
    eta = problem.y + np.where(rows > 0.0, fitted, 0.0)
    return _joined(solver, model.coefficients(), bundles), state.intercept, eta


def _principal(solver):
    """Tell whether blocks are turned to their principal axes."""
    return solver.problem.penalty.penalty.rotatable


def _models(solver, state, groups, lam, goals):
    problem = solver.problem
    moved_goal, gap_goal = goals
    v, b, eta = state.v, state.intercept, state.eta
    before = problem.loss_value(eta) + problem.penalty.value(v, lam)
    form = _softmax_at if problem.n_outputs > 1 else _model_at
    caution, most = 0, 1 if problem.loss.has_lipschitz else MOST_CAUTION
    for _ in range(MODELS):
        slope = problem.weighted_gradient(eta)
        model = form(solver, (v, b, eta), groups, lam, slope, caution)
        first = model.minimise(
            solver.selection, moved_goal, gap_goal, lambda: problem.expired
        )
        new = _end(solver, model, groups, eta)
        decrease = dot64(slope, new[2] - eta) + problem.penalty.value(new[0], lam)
        decrease -= problem.penalty.value(v, lam)
        taken = _line_search(problem, (v, b, eta), new, lam, before, decrease)
        if taken is None:
            if caution == most:
                break
            # Along a segment a nonconvex penalty may rise before it falls. A model that
            # bounds the loss from above needs no search.
            caution += 1
            continue
        caution = 0
        v, b, eta, before = taken
        done = first <= moved_goal(first)
        if gap_goal is not None:
            # A tenth of the gap on all groups: then others may matter more.
            done = done or model.first_gap <= gap_goal(math.inf)
        if done or problem.expired:
            break
    return v, b, eta


def _mean_shift(solver, v):
    """Return by how much the intercepts of centred and of stored columns differ."""
    design = solver.problem.design
    if not design.sparse or design.means is None:
        return 0.0
    return design.means @ solver.coordinates.to_features(v)


def _model_at(solver, point, groups, lam, slope, caution):
    """Return the quadratic model at a point."""
    problem, (v, b, eta) = solver.problem, point
    root = np.sqrt(_curvature(problem, eta, caution))
    # The target moves by what the model adds: both are 0 where a sample has no weight.
    scaled = slope / np.where(root > 0.0, root, 1.0)
    principal = _principal(solver)
    framed = [frame(solver.blocks.get(g).scaled(root), principal) for g in groups]
    bias = None
    if problem.explicit_intercept:
        bias = b - _mean_shift(solver, v)
    return QuadraticModel(
        problem.penalty.penalty,
        framed,
        lam[groups],
        _parts(solver, v, groups, problem.y.dtype),
        principal,
        root * eta - scaled,
        root,
        bias,
        # A small root would magnify the rounding of the target in the predictor.
        scaled,
    )


def _curvature(problem, eta, caution):
    """Return the curvature of a model in each sample, larger with more caution."""
    h, bound = problem.weigh(problem.curvature(eta)), problem.loss.lipschitz
    if bound is not None:
        return np.maximum(h, (1.0 if caution else FLOOR) * bound * problem.s)
    mean = float(h.sum(dtype=np.float64))
    return np.maximum(h, FLOOR * mean * problem.s) * GROWTH**caution


def _softmax_at(solver, point, groups, lam, slope, caution):
    """Return the model of the multinomial loss at a point."""
    problem, (v, b, eta) = solver.problem, point
    bias = None
    if problem.explicit_intercept:
        bias = b - _mean_shift(solver, v)
    return SoftmaxModel(
        problem.penalty.penalty,
        [solver.blocks.get(g) for g in groups],
        lam[groups],
        _parts(solver, v, groups, problem.y.dtype),
        _principal(solver),
        slope,
        problem.curvature(eta),
        problem.s,
        (1.0 if caution else FLOOR) * problem.loss.lipschitz,
        eta,
        bias,
    )


def _end(solver, model, groups, eta):
    """Return coefficients, intercept and predictor where a model is minimal."""
    v, eta = _joined(solver, model.coefficients(), groups), eta + model.move()
    b = solver.problem.null_intercept
    if model.bias is not None:
        b = model.bias + _mean_shift(solver, v)
    if eta.ndim == 2 and _principal(solver):
        # A constant added to all classes changes no probability, and the norms are
        # least without one: where a penalty is flat they would drift.
        outputs = eta.shape[1]
        b, eta = b - b.mean(), eta - eta.mean(axis=1, keepdims=True)
        v = v.reshape(-1, outputs)
        v = (v - v.mean(axis=1, keepdims=True)).ravel()
    return v, b, eta


def _line_search(problem, old, new, lam, before, decrease):
    """Return the point of sufficient decrease and its objective; None without one."""
    # Near the minimum a step gains less than the rounding of the objective.
    rounding = ROUNDING[problem.y.dtype.itemsize] * abs(before)
    if decrease > rounding:
        return None
    allowed = before + rounding
    t = 1.0
    for _ in range(HALVINGS):
        v, b, eta = (
            a + t * (z - a) if t < 1.0 else z for a, z in zip(old, new, strict=True)
        )
        after = problem.loss_value(eta) + problem.penalty.value(v, lam)
        if after <= allowed + ARMIJO * t * decrease:
            return v, b, eta.astype(problem.y.dtype, copy=False), after
        t *= 0.5
    return None
