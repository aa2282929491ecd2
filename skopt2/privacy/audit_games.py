"""The two games of an audit: many canaries in a few fits, one record in many fits."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.parallel import Parallel, delayed

from skopt2.solvers.privacy.audit_bounds import (
    binomial_upper,
    error_rates_exceed,
    largest_rejected,
    pooled_p_value,
    runs_p_value,
)

# Rows, and features, of a fit with canaries, and fits. Hidden units are shared: many
# canaries would drown each other there.
CANARIES = {False: (1024, 32), True: (128, 256)}
N_WORLD_FITS = 4000
# Shares of the canaries to guess on: those with the most extreme scores. Half of them
# is near the best for Gaussian noise; rare certainty is what epsilon bounds.
SHARES = {False: (0.5,), True: (0.5, 0.1, 0.02)}
# Rows of the fixed data of the two worlds, and their features.
N_BASE, N_FEATURES = 8, 2
# Norms of the records that a pilot chooses from, as shares of the norm of the rows, and
# the inverse share of the fits that one world of one pilot takes of a quarter of them.
SIZES = (1.0, 1e-6)
PILOT = 10


def seeds_of(sequence, n):
    """Return n different seeds that every library takes."""
    states = sequence.generate_state(n + 64, np.uint32)
    return [int(seed) for seed in np.unique(states)[:n]]


def run_fits(subject, data_sets, seeds, read, n_jobs):
    """Fit to each data set with a seed of its own, and return what ``read`` sees."""

    def one(data, seed):
        return read(subject.fit(*data, seed))

    jobs = zip(data_sets, seeds, strict=True)
    return Parallel(n_jobs=n_jobs)(delayed(one)(data, seed) for data, seed in jobs)


def canary_data(subject, present):
    """Return the data set in which canary j is there where ``present[j]`` is True.

    Canary j has the row ``norm * e_j`` and the second label. One that is not there is
    missing, blank, or has the first label, as the neighbour relation says.
    """
    m = present.size
    low, high = subject.labels
    y = np.where(present, high, low)
    if subject.relation == "replace_one":
        diagonal = np.full(m, subject.norm)
    else:
        diagonal = np.where(present, subject.norm, subject.blank)
    X = sp.diags_array(diagonal, format="csr")
    if subject.relation == "add_remove":
        X, y = X[np.flatnonzero(present)], y[present]
    return (X if subject.sparse else X.toarray()), y


def right_guesses(scores, present, n_guesses, rng):
    """Guess on the most extreme scores: present at the top, absent at the bottom."""
    scores = np.nan_to_num(scores, nan=0.0)
    # Ties are broken at random: no guess may know more than the output says.
    order = np.lexsort((rng.random(scores.size), scores))
    top = n_guesses // 2
    low, high = order[: n_guesses - top], order[scores.size - top :]
    return int(np.sum(~present[low]) + np.sum(present[high]))


def play_canaries(subject, curves, alpha, n_fits, n_canaries, sequence, n_jobs):
    """Audit with many canaries in each fit.

    Parameters
    ----------
    subject : subject
        What is audited.
    curves : curves
        Family of trade-off curves.
    alpha : float
        Probability that the bound may be wrong.
    n_fits, n_canaries : int or None
        How many.
    sequence : SeedSequence
        Of all randomness that the audit is free to choose.
    n_jobs : int or None
        For joblib.

    Returns
    -------
    level : float
        Lower bound on the level of the family; infinity for a mechanism that is not
        random.
    guesses : tuple of int
        Right and wrong guesses of the deciding game.
    n_fits : int
        Fits made.
    notes : tuple of str
        What was found on the way.
    """
    m = n_canaries or CANARIES[subject.shared][0]
    n_fits = n_fits or CANARIES[subject.shared][1]
    coins, ties, noise = sequence.spawn(3)
    rng = np.random.default_rng(coins)
    present = rng.random((n_fits, m)) < 0.5
    probe = subject.norm * sp.eye_array(m, format="csr")
    probe = probe if subject.sparse else probe.toarray()
    seeds = seeds_of(noise, n_fits + 1)
    scores = run_fits(
        subject,
        # One data set at a time; the first comes again at the end.
        (canary_data(subject, row) for row in np.vstack([present, present[:1]])),
        seeds,
        lambda fitted: subject.scores(fitted, probe),
        n_jobs,
    )
    again = scores.pop()
    if is_fixed(scores[0], again, scores[1:]):
        return np.inf, (0, 0), n_fits + 1, (FIXED,)
    rng = np.random.default_rng(ties)
    p_value = pooled_p_value if curves.pooled else runs_p_value
    best = -1.0, (0, 0)
    shares = SHARES[curves.pooled]
    for share in shares:
        r = max(2, int(share * m))
        right = [
            right_guesses(score, row, r, rng)
            for score, row in zip(scores, present, strict=True)
        ]

        def rejects(level, r=r, right=right):
            value = p_value(lambda x: curves.bound(x, level), m, r, right)
            return value <= alpha / len(shares)

        total = sum(right)
        best = max(best, (largest_rejected(rejects), (total, n_fits * r - total)))
    return best[0], best[1], n_fits + 1, ()


FIXED = (
    "Two fits to the same data with different seeds gave the same numbers, and other "
    "data gave other ones: no noise is added, or the seed is fixed inside. Such a "
    "release has no finite epsilon."
)


def is_fixed(first, again, others):
    """Return whether the output is a function of the data alone."""
    if np.unique(first).size < 3 or not np.array_equal(first, again, equal_nan=True):
        return False
    return any(not np.array_equal(first, other, equal_nan=True) for other in others)


def world_data(subject, sequence, size=1.0):
    """Return two neighbouring data sets: without the record, and with it.

    Parameters
    ----------
    subject : subject
        What is audited.
    sequence : SeedSequence
        For the rows that both have.
    size : float, default=1.0
        Norm of the record, as a share of the norm of the rows.

    Returns
    -------
    without, with : tuple (X, y)
        Of ``N_BASE + 1`` rows, or one less for "add_remove".
    """
    rng = np.random.default_rng(sequence)
    X = rng.standard_normal((N_BASE + 1, N_FEATURES))
    X *= subject.norm / np.linalg.norm(X, axis=1, keepdims=True)
    y = np.where(rng.random(N_BASE + 1) < 0.5, *subject.labels)
    y[:2], y[-1] = subject.labels, subject.labels[1]
    if np.isnan(subject.blank):
        # Rows that add nothing hide nothing.
        X[:] = subject.blank
    X[-1] = size * subject.norm * np.eye(N_FEATURES)[0]
    other_X, other_y = X.copy(), y.copy()
    other_y[-1] = subject.labels[0]
    if subject.relation == "add_remove":
        other_X, other_y = X[:-1], y[:-1]
    elif subject.relation == "zero_out":
        other_X[-1] = subject.blank
    elif subject.kind == "transformer":
        other_X[-1] = -X[-1]
    return (other_X, other_y), (X, y)


def direction_between(low, high):
    """Return the direction in which two samples differ most, in units of noise."""
    difference = high.mean(axis=0) - low.mean(axis=0)
    centred = np.vstack([low - low.mean(axis=0), high - high.mean(axis=0)])
    scale = centred.std(axis=0)
    used = scale > 1e-12 * max(1e-300, float(np.abs(scale).max(initial=0.0)))
    direction = np.zeros(difference.size)
    if not used.any():
        return difference
    centred = centred[:, used] / scale[used]
    if used.sum() > len(centred) // 8:
        direction[used] = difference[used] / scale[used] ** 2
        return direction
    covariance = centred.T @ centred / len(centred) + 1e-6 * np.eye(int(used.sum()))
    step = np.linalg.solve(covariance, difference[used] / scale[used])
    direction[used] = step / scale[used]
    return direction


def error_counts(low, high, threshold):
    """Return how often each world is taken for the other one."""
    return int(np.sum(low > threshold)), int(np.sum(high <= threshold))


def rates_level(curves, counts, sizes, alpha):
    """Return the lower bound on the level that two error counts prove."""
    rates = [
        binomial_upper(count, size, alpha / 2)
        for count, size in zip(counts, sizes, strict=True)
    ]

    def rejects(level):
        return error_rates_exceed(lambda x: curves.bound(x, level), *rates)

    return largest_rejected(rejects)


def log_size(values):
    """Return logarithms of absolute values, finite ones."""
    return np.log(np.maximum(np.abs(values), 1e-300))


# What one looks at in a sample, given another one: a record may change the spread of
# the noise, and not its place.
LOOKS = (
    lambda values, _: values,
    lambda values, _: log_size(values),
    lambda values, train: log_size(values - np.median(train, axis=0)),
)


def outputs_of(subject, worlds, n_each, sequence, n_jobs):
    """Return the released vectors of the fits to each of two worlds, or None.

    What is predicted for the record is released, too: of networks, whose hidden units
    start at random in each fit, it is all that can be compared.

    None is for fits whose numbers of values differ.
    """
    outputs = run_fits(
        subject,
        (world for world in worlds for _ in range(n_each)),
        seeds_of(sequence, 2 * n_each),
        lambda fitted: subject.vector(fitted, worlds[1][0][-1:]),
        n_jobs,
    )
    if len({output.size for output in outputs}) > 1:
        return None
    outputs = np.nan_to_num(np.stack(outputs))
    if not outputs.size:
        raise ValueError("The fits left no numbers to look at.")
    return outputs[:n_each], outputs[n_each:]


def contrast(low, high):
    """Return how far two samples are apart, in standard deviations, less its error."""
    half = len(low) // 2
    far = []
    for look in LOOKS:
        first, second = look(low, low), look(high, low)
        direction = direction_between(first[:half], second[:half])
        first, second = first[half:] @ direction, second[half:] @ direction
        spread = max(np.hypot(first.std(), second.std()), 1e-300)
        far.append(float(second.mean() - first.mean()) / spread)
    return max(far) - 2.0 / np.sqrt(half)


def play_worlds(subject, curves, alpha, n_fits, sequence, n_jobs):
    """Audit with one record in one of two data sets, many times.

    A pilot chooses the record: one that fills its norm, or one of almost no norm, whose
    gradient is all in what the clipping may have forgotten.

    Parameters
    ----------
    subject, curves, alpha, n_fits, sequence, n_jobs
        As of :func:`play_canaries`; half of the fits are of each world.

    Returns
    -------
    level, guesses, n_fits, notes
        As of :func:`play_canaries`.
    """
    n_fits = n_fits or N_WORLD_FITS
    n_pilot = max(4, n_fits // (4 * PILOT))
    half = max(2, (n_fits - 2 * len(SIZES) * n_pilot) // 4)
    n_made = 2 * len(SIZES) * n_pilot + 4 * half
    rows, noise, *pilots = sequence.spawn(2 + len(SIZES))
    found = []
    for size, seed in zip(SIZES, pilots, strict=True):
        worlds = world_data(subject, rows, size)
        sample = outputs_of(subject, worlds, n_pilot, seed, n_jobs)
        if sample is None:
            return np.inf, (0, 0), n_made, (TELLTALE,)
        found.append((contrast(*sample), sample, worlds))
    low, high = found[0][1]
    if np.all(low == low[0]) and np.all(high == high[0]):
        fixed = bool(np.any(low[0] != high[0]))
        notes = (FIXED,) if fixed else ()
        return (np.inf if fixed else 0.0), (0, 0), n_made, notes
    # The loud record unless the other one is heard for certain.
    loud, faint = (item[0] for item in found)
    worlds = found[int(faint > max(loud, 0.0) + 0.5)][2]
    sample = outputs_of(subject, worlds, 2 * half, noise, n_jobs)
    if sample is None:
        return np.inf, (0, 0), n_made, (TELLTALE,)
    level, wrong = judge(curves, *sample, alpha)
    return level, (2 * half - wrong, wrong), n_made, ()


def judge(curves, low, high, alpha):
    """Return the bound on the level from the outputs of two worlds, and the errors.

    The first half of each chooses what to look at, a direction and a threshold, the
    second half is judged.
    """
    half = len(low) // 2
    train = np.vstack([low[:half], high[:half]])
    best = None
    for look in LOOKS:
        low_seen, high_seen = look(low, train), look(high, train)
        direction = direction_between(low_seen[:half], high_seen[:half])
        low_score, high_score = low_seen @ direction, high_seen @ direction
        first = low_score[:half], high_score[:half]
        threshold, level = best_threshold(curves, *first, alpha)
        if best is None or level > best[0]:
            best = level, threshold, low_score[half:], high_score[half:]
    _, threshold, low_score, high_score = best
    counts = error_counts(low_score, high_score, threshold)
    sizes = low_score.size, high_score.size
    return rates_level(curves, counts, sizes, alpha), sum(counts)


def best_threshold(curves, low, high, alpha):
    """Return the threshold between two samples that proves most, and what it proves."""
    candidates = np.quantile(np.r_[low, high], np.linspace(0, 1, 41))
    levels = [
        rates_level(curves, error_counts(low, high, at), (low.size, high.size), alpha)
        for at in candidates
    ]
    place = int(np.argmax(levels))
    return candidates[place], levels[place]


TELLTALE = (
    "The number of fitted values depends on whether the record was there, which tells "
    "it for certain."
)
