"""A start for tall problems: the solution on a tenth of the rows.

With many more rows than columns, a tenth of the rows already names most of the support
and the coefficients up to their standard error, at a tenth of the cost of every pass
and every Gram matrix. What follows on all rows is a correction. The rule is applied
again to the tenth, as long as that is still tall.

Source: the argument is that of warm starts along growing samples, for example H.
Daneshmand, A. Lucchi and T. Hofmann, Starting small: learning with adaptive sample
sizes, ICML 2016.
"""

from skopt2.solvers.problem import LinearProblem

# Fewer rows than this are solved directly.
TALL = 20000
FRACTION = 10
# Rows are taken in this many evenly spaced runs: cheap to copy, and representative of
# a table that is sorted.
RUNS = 64


def worth_subsampling(design):
    """Tell whether a tenth of the rows is a useful start."""
    small = design.n // FRACTION
    return not design.sparse and design.n >= TALL and small >= 2 * design.p


def subsample(problem):
    """Return the same problem on a tenth of the rows.

    Parameters
    ----------
    problem : LinearProblem
        Dense; its target may have been centred, which changes nothing here.
    """
    design, xp = problem.design, problem.xp
    run = design.n // (FRACTION * RUNS)
    starts = [(k * design.n) // RUNS for k in range(RUNS)]
    rows = [slice(start, start + run) for start in starts]
    X = xp.concat([design.X[r, :] for r in rows], axis=0)
    y = xp.concat([problem.y[r, ...] for r in rows], axis=0)
    s = xp.concat([problem.s[r] for r in rows], axis=0)
    total = float(xp.sum(s))
    if not total > 0.0:
        return None
    return LinearProblem(
        X,
        y,
        problem.loss,
        problem.penalty,
        problem.lam,
        s / total,
        problem.fit_intercept,
    )
