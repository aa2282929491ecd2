r"""What guesses about the data say about a mechanism: lower bounds on its privacy loss.

Problem: a mechanism M saw m records, each of them with probability 1/2, and someone who
saw its output guessed for r of the records whether they were there. W guesses are
right. Which mechanisms of a family, M with trade-off curve F_level, would let so many
be right with probability above 1 - confidence?

Symbols: F(x) is the largest probability that an event may have with a record when it
has probability x without it, and the other way round: F(x) = Phi(Phi^-1(x) + mu) for
Gaussian mechanisms, F(x) = min(1, e^epsilon x + delta) for (epsilon, delta)-privacy. F
is concave and increasing. S in {0, 1}^m are the bits, u_c = P[W >= c].

**Many records in one run.** Choose a record J at random, and let A be the event that
guess J is right and W >= c. Flip bit J and leave all else: the same outputs now have a
wrong guess J and one right guess less. So, for the mechanism given the other bits,

    E[W/m; W >= c] = P[A] <= F(E[(r - W)/m; W >= c - 1])

(Jensen takes the average over bits and records into F). The left side is at least
c/m u_c, the right argument at most (r - c + 1)/m u_{c-1}, hence

    u_c <= m/c F((r - c + 1)/m u_{c-1}),     u_c = 1 for c <= r/2.                (*)

Nothing is assumed about how the guesses of one run depend on each other. The argument
is that of S. Mahloujifar, L. Melis and K. Chaudhuri, Auditing f-differential privacy
in one run, 2024, Theorem 9; T. Steinke, M. Nasr and M. Jagielski, Privacy auditing with
one (1) training run, NeurIPS 2023, have it for (epsilon, delta).

**Several runs.** Independent runs with records of their own are one mechanism, whose
curve is the same, on all the records together: (*) holds for the pooled guesses. That
is sharp for (epsilon, delta). A Gaussian curve allows a run with luck on all guesses at
once, so there the runs are the units: of n independent runs at most
Binomial(n, u_c) have W >= c, and the k-th smallest W of them has a p-value.

**One record in many runs** is a binomial experiment: Clopper-Pearson bounds on both
error rates, each at half the level, cross the curve at the bound.
"""

import math

from scipy.special import bdtrc, betaincinv, ndtr, ndtri

from skopt2.solvers.privacy.gaussian import gaussian_epsilon, gaussian_mu

# Beyond these no curve is told from "everything is known".
LARGEST = 512.0
# Canaries that independent runs are taken together to.
GROUP = 1024
# Halvings of the bracket around a level.
STEPS = 30


class GaussianCurves:
    """Trade-off curves of Gaussian mechanisms; the level is mu.

    Parameters
    ----------
    delta : float
        At which epsilon is reported, in (0, 1).
    """

    name = "gaussian"
    # A lucky run may have all its guesses right: runs are the units of a test.
    pooled = False

    def __init__(self, delta):
        self.delta = delta

    def bound(self, x, level):
        """Return F(x) at a level."""
        return float(ndtr(ndtri(min(x, 1.0)) + level))

    def epsilon(self, level):
        """Return the epsilon of a level."""
        return gaussian_epsilon(level, self.delta)

    def level(self, epsilon):
        """Return the level of an epsilon."""
        return gaussian_mu(epsilon, self.delta)


class ApproximateCurves:
    """Trade-off curves of (epsilon, delta)-privacy; the level is epsilon.

    Parameters
    ----------
    delta : float
        In [0, 1).
    """

    name = "approximate"
    pooled = True

    def __init__(self, delta):
        self.delta = delta

    def bound(self, x, level):
        """Return F(x) at a level."""
        if x <= 0:
            return min(1.0, self.delta)
        return min(1.0, math.exp(min(0.0, level + math.log(x))) + self.delta)

    def epsilon(self, level):
        """Return the epsilon of a level."""
        return level

    def level(self, epsilon):
        """Return the level of an epsilon."""
        return epsilon


def guess_tail(bound, n_canaries, n_guesses, n_right):
    """Bound the probability of so many right guesses in one run, by (*).

    Parameters
    ----------
    bound : callable
        F, the trade-off curve under test.
    n_canaries : int
        m, records that were there with probability 1/2 each.
    n_guesses : int
        r, guesses made; their number must not depend on the output.
    n_right : int
        c.

    Returns
    -------
    tail : float
        Upper bound on P[W >= c].

    Examples
    --------
    A mechanism that ignores its data has nine of ten guesses right hardly ever:

    >>> from skopt2.solvers.privacy.audit_bounds import ApproximateCurves, guess_tail
    >>> curves = ApproximateCurves(delta=0.0)
    >>> round(guess_tail(lambda x: curves.bound(x, 0.0), 10, 10, 9), 3)
    0.04
    """
    tail = 1.0
    for c in range(n_guesses // 2 + 1, n_right + 1):
        x = (n_guesses - c + 1) / n_canaries * tail
        tail = min(tail, n_canaries / c * bound(x))
    return tail


def runs_p_value(bound, n_canaries, n_guesses, right):
    """Return the p-value of independent runs, each a game of guesses.

    Runs of few canaries are taken together, to about 1024 canaries and no fewer than
    16 groups. The statistic is a small order statistic of the numbers of right guesses:
    number ``1 + n_groups // 16`` from below, so that one unlucky group in sixteen costs
    little.

    Parameters
    ----------
    bound : callable
        F, the trade-off curve under test.
    n_canaries, n_guesses : int
        Of one run.
    right : sequence of int
        Right guesses of each run.

    Returns
    -------
    p_value : float
        Under any mechanism with a curve of at most F it is at most alpha with
        probability at most alpha.
    """
    size = max(1, min(GROUP // n_canaries, len(right) // 16))
    n_runs = len(right) // size
    # Runs that are left over are not looked at.
    sums = [sum(right[at * size : (at + 1) * size]) for at in range(n_runs)]
    order = 1 + n_runs // 16
    c = int(sorted(sums)[order - 1])
    tail = guess_tail(bound, size * n_canaries, size * n_guesses, c)
    # At least n_runs - order + 1 of the groups have W >= c.
    return float(bdtrc(n_runs - order, n_runs, min(1.0, tail)))


def pooled_p_value(bound, n_canaries, n_guesses, right):
    """Return the p-value of independent runs as one run of all their records.

    Parameters
    ----------
    bound : callable
        F, the trade-off curve under test.
    n_canaries, n_guesses : int
        Of one run.
    right : sequence of int
        Right guesses of each run.

    Returns
    -------
    p_value : float
        As of :func:`runs_p_value`.
    """
    n_runs = len(right)
    return guess_tail(bound, n_runs * n_canaries, n_runs * n_guesses, sum(right))


def binomial_upper(n_events, n_trials, alpha):
    """Return the Clopper-Pearson upper bound on a probability.

    Parameters
    ----------
    n_events, n_trials : int
        How often it happened, and could have.
    alpha : float
        Probability that the bound may be wrong.

    Returns
    -------
    upper : float
        In (0, 1].
    """
    if n_events >= n_trials:
        return 1.0
    return float(betaincinv(n_events + 1, n_trials - n_events, 1 - alpha))


def error_rates_exceed(bound, false_positives, false_negatives):
    """Whether two error rates are too small for a trade-off curve.

    Parameters
    ----------
    bound : callable
        F, the trade-off curve under test.
    false_positives, false_negatives : float
        Upper bounds on the two error rates of one test of one record.

    Returns
    -------
    exceed : bool
        True if no mechanism with the curve has such a test, in either direction.
    """
    return 1 - false_negatives > bound(false_positives) or (
        1 - false_positives > bound(false_negatives)
    )


def largest_rejected(rejects):
    """Return the largest level that is rejected, given that all below it are.

    Parameters
    ----------
    rejects : callable
        ``rejects(level)`` is False from some level on.

    Returns
    -------
    level : float
        0 if none is rejected, infinity if all are up to 512.
    """
    if not rejects(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while rejects(high):
        if high >= LARGEST:
            return math.inf
        low, high = high, 2 * high
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        if rejects(middle):
            low = middle
        else:
            high = middle
    return low
