"""DiceSGD and DIFF2 beside noisy gradient descent: the same budgets, proved noise.

Run from the root of the repository; it takes some minutes::

    python -m benchmarks.privacy_solvers
    python -m benchmarks.privacy_solvers --repeat 3 --case wine

Prints the table of the documentation. All variants have the noise that their proof asks
for, the exact accounting of full batches, and the same splits. Bundled sets: accuracy
on a fifth of the rows, features mapped to [-1, 1] by bounds that are taken as public.
Generated sets: the log loss on rows of their own; features are badly scaled.
"""

import argparse
import math
import statistics
from dataclasses import replace

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skopt2.losses import Logistic, Multinomial
from skopt2.privacy.descent_choice import make_descent
from skopt2.solvers.privacy.accounting import calibrate_noise
from skopt2.solvers.privacy.descent import DescentPlan
from skopt2.solvers.privacy.dice_descent import Feedback
from skopt2.solvers.privacy.difference_descent import Differences
from skopt2.solvers.privacy.gaussian import gaussian_mu
from skopt2.solvers.privacy.glm_query import GLMQuery
from skopt2.solvers.privacy.noise import NoiseSource
from skopt2.solvers.privacy.rows import Rows
from skopt2.solvers.privacy.schedule import default_schedule

LOADERS = {
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
    "digits": load_digits,
}
GENERATED = {"generated, 6000": 6000, "generated, 50000": 50000}
EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0)
DELTA = 1e-5
# Value of the column of the intercept, that of the estimators.
BIAS = 0.25


def generated(n_rows, seed=0):
    """Return rows of a logistic model whose features have scales of 1 to 0.03."""
    rng = np.random.default_rng(seed)
    scales = np.geomspace(1, 0.03, 50)
    X = np.clip(rng.standard_normal((n_rows, 50)), -3, 3) * scales
    scores = X @ (rng.standard_normal(50) / scales**0.7)
    scores *= 4 / scores.std()
    y = (rng.random(n_rows) < 1 / (1 + np.exp(-scores))).astype(int)
    return X / (3 * np.linalg.norm(scales)), y


def splits(name, repeat):
    """Yield train and test parts."""
    if name in GENERATED:
        X, y = generated(GENERATED[name] + 10000)
        for seed in range(repeat):
            yield train_test_split(X, y, test_size=10000, random_state=seed)
        return
    X, y = LOADERS[name](return_X_y=True)
    low, high = X.min(axis=0), X.max(axis=0)
    X = 2 * (X - low) / np.where(high > low, high - low, 1.0) - 1
    X /= math.sqrt(X.shape[1])
    for seed in range(repeat):
        yield train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y)


def paper_plan(plan, norm, n_steps, learning_rate=8.0):
    """Return plain steps without momentum, as the papers have them."""
    rate = learning_rate / norm
    return replace(plan, n_steps=n_steps, learning_rate=rate, tail=0.5, momentum=0.0)


def variants(plan, norm, largest, smoothness):
    """Return plan, clipping norm and rule of every line of the table."""
    last = replace(plan, tail=0.2)
    late = min(plan.learning_rate, 0.5 / smoothness)
    start = int(0.8 * plan.n_steps)
    slow = paper_plan(plan, 1.0, 400, 1.0)
    return {
        "gd": (plan, norm, None),
        "gd, mean of the last fifth": (last, norm, None),
        "dicesgd": (last, norm, Feedback(largest, start, late)),
        "dicesgd, errors of all steps": (plan, norm, Feedback(largest, 0, late)),
        "DiceSGD as in the paper, C1 = C2": (
            paper_plan(plan, 0.25, 100),
            0.25,
            Feedback(largest, 0, 32.0, 0.25),
        ),
        "diff2": (plan, norm, Differences(smoothness)),
        "DIFF2 as in the paper, restarts": (
            paper_plan(plan, 1.0, 100),
            1.0,
            Differences(smoothness, 10),
        ),
        "gd, short steps": (slow, 1.0, None),
        "diff2, short steps": (slow, 1.0, Differences(smoothness)),
    }


def fit(X, y, variant, epsilon, seed):
    """Return the parameters that one variant releases."""
    n_classes = int(y.max()) + 1
    several = n_classes > 2
    loss = Multinomial() if several else Logistic()
    targets = np.eye(n_classes)[y] if several else 2.0 * y - 1
    rows = Rows(lambda: iter([(X, targets, None)]), *X.shape, intercept_scaling=BIAS)
    height = math.hypot(1.0, BIAS)
    largest = height * (math.sqrt(2.0) if several else 1.0)
    smoothness = height**2 * loss.lipschitz
    schedule = default_schedule(
        len(y),
        gaussian_mu(epsilon, DELTA),
        largest=largest,
        smoothness=smoothness,
    )
    plan = DescentPlan(
        n_steps=schedule.n_steps,
        learning_rate=schedule.learning_rate,
        noise_multiplier=1.0,
        tail=1 / 3,
        momentum=schedule.momentum,
    )
    options = variants(plan, schedule.clipping_norm, largest, smoothness)
    plan, norm, rule = options[variant]
    sigma = calibrate_noise(epsilon, DELTA, count=plan.n_steps)
    plan = replace(plan, noise_multiplier=sigma)
    query = GLMQuery(rows, loss, norm, n_outputs=n_classes if several else None)
    solver = make_descent(rule, query, plan, NoiseSource(seed))
    state = solver.init(np.zeros(query.shape))
    for _ in range(plan.n_steps):
        state = solver.step(state)
    return solver.finalize(state)


def score(W, X, y, name):
    """Return the accuracy, or the log loss of generated rows."""
    scores = X @ W[:-1] + BIAS * W[-1]
    if name in GENERATED:
        return log_loss(y, 1 / (1 + np.exp(-scores)))
    found = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
    return float(np.mean(found == y))


def table(name, repeat):
    """Print the lines of one data set."""
    measure = "log loss" if name in GENERATED else "accuracy"
    print(f"\n{name}, {measure}")
    names = list(variants(DescentPlan(50, 1.0, 1.0), 1.0, 2.0, 1.0))
    for variant in names:
        cells = []
        for epsilon in EPSILONS:
            found = [
                score(fit(A, a, variant, epsilon, 1000 + seed), B, b, name)
                for seed, (A, B, a, b) in enumerate(splits(name, repeat))
            ]
            cells.append(f"{statistics.mean(found):.3f}")
        print(f"{variant:<36}" + "  ".join(cells), flush=True)


def main(argv=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.privacy_solvers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repeat", type=int, default=10, help="splits")
    parser.add_argument("--case", nargs="+", help="beginnings of names")
    options = parser.parse_args(argv)
    for name in (*LOADERS, *GENERATED):
        if not options.case or any(name.startswith(case) for case in options.case):
            table(name, options.repeat if name in LOADERS else min(options.repeat, 3))


if __name__ == "__main__":
    main()
