"""Losses beyond the mean and beyond the softmax: the tables of the user guide.

Run from the root of the repository::

    python -m benchmarks.robust_losses labels
    python -m benchmarks.robust_losses digits --data DIR
    python -m benchmarks.robust_losses steps
    python -m benchmarks.robust_losses exact

``labels``: documents of several topics as in section 4.1 of Martins and Astudillo
(2016). Every topic is a distribution over words, every document a mixture of the topics
that it has, in equal shares, or in random shares. 400 documents to fit, 400 to choose
``alpha`` from four or five values, 800 to test; two draws. All models see the shares of
words. JS is the mean Jensen-Shannon divergence, in bits, between the true shares and
the predicted ones; F1 is that of all labels together, over the threshold that is best
on the training documents. The logistic regressions, one for each topic, predict shares
in proportion to their probabilities.

``digits``: the 10000 test images of MNIST in DIR, 7000 of them to fit; sparsemax beside
the multinomial loss at the same penalties.

``steps``: SPL+ beside the stochastic subgradient method over a grid of step sizes, 20
epochs each, the same samples in the same order, both with steps that fall with the root
of their number and with the same averages: the excess over the exact minimum, relative
to what a constant prediction has of it, mean of three seeds. Steps in units of the
start, as in ``CVaRRegressor(step_size=...)``.

``exact``: the default solver at two tolerances beside the solvers that CVXPY has, where
it is installed. The excess is that over the best objective of all.

Times are processor seconds; use one thread for them to mean anything
(``OPENBLAS_NUM_THREADS=1``).
"""

import argparse
import gzip
import importlib.util
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier

from skopt2.linear_model import (
    CVaRClassifier,
    CVaRRegressor,
    SparseClassifier,
    SparsemaxClassifier,
)
from skopt2.linear_model.label_sets import best_threshold
from skopt2.penalties import get_penalty
from skopt2.solvers.cvar.pieces import BINARY, REGRESSION, get_pieces
from skopt2.solvers.cvar.problem import TailProblem
from skopt2.solvers.cvar.prox_linear import StochasticProxLinear

# Levels for the models to choose from; the best is none of the ends.
ALPHAS = {
    "logistic": (1e-7, 1e-6, 1e-5, 1e-4, 1e-3),
    "softmax": (1e-4, 5e-4, 2e-3, 1e-2),
    "sparsemax": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
}
SIZES = (400, 400, 800)
# Seconds that the solvers of CVXPY get.
LIMITS = {"CLARABEL": {"time_limit": 60.0}, "SCS": {"time_limit_secs": 60.0}}


def documents(n, n_topics, length, shares, rng, n_words=300):
    """Return the shares of words (n, n_words) and of topics (n, n_topics)."""
    topics = rng.dirichlet(np.full(n_words, 0.1), n_topics)
    counts = np.minimum(1 + rng.poisson(1.5, n), n_topics)
    X, Q = np.empty((n, n_words)), np.zeros((n, n_topics))
    for i, count in enumerate(counts):
        chosen = rng.choice(n_topics, count, replace=False)
        even = np.full(count, 1.0 / count)
        Q[i, chosen] = even if shares == "equal" else rng.dirichlet(np.ones(count))
        X[i] = rng.multinomial(1 + rng.poisson(length), Q[i] @ topics)
    X /= X.sum(axis=1, keepdims=True)
    return X * np.sqrt(n_words), Q


def divergence(P, Q):
    """Return the mean Jensen-Shannon divergence of the rows, in bits."""
    middle = 0.5 * (P + Q)

    def relative(A):
        safe = np.where(A > 0, A / np.where(middle > 0, middle, 1.0), 1.0)
        return (A * np.log2(safe)).sum(axis=1)

    return float(0.5 * (relative(P) + relative(Q)).mean())


def fit_shares(model, X, Q):
    """Fit to distributions: each row once for each class, weighted by its share."""
    rows, classes = np.nonzero(Q > 0)
    return model.fit(X[rows], classes, Q[rows, classes])


def predict_shares(name, alpha, X, Q, others):
    """Fit one model and return its shares of topics for all other samples."""
    if name == "logistic":
        logistic = LogisticRegression(C=1.0 / (len(X) * alpha), max_iter=1000)
        model = OneVsRestClassifier(logistic).fit(X, (Q > 0).astype(int))
        P = [model.predict_proba(other) for other in others]
        return [p / p.sum(axis=1, keepdims=True) for p in P]
    loss = {"softmax": "multinomial", "sparsemax": "sparsemax"}[name]
    model = fit_shares(SparseClassifier(loss, "ridge", alpha=alpha), X, Q)
    return [model.predict_proba(other) for other in others]


def race_labels():
    """Print the table of documents."""
    print("shares  topics  words  model      JS     F1     zeros")
    for shares in ("equal", "random"):
        for n_topics, length in ((10, 50), (10, 500), (30, 200)):
            found = {name: [] for name in ("logistic", "softmax", "sparsemax")}
            for seed in range(2):
                rng = np.random.default_rng(seed)
                X, Q = documents(sum(SIZES), n_topics, length, shares, rng)
                ends = np.cumsum(SIZES)
                X, Q = np.split(X, ends[:-1]), np.split(Q, ends[:-1])
                for name, rows in found.items():
                    rows.append(score_shares(name, X, Q))
            for name, rows in found.items():
                js, f1, zeros = np.mean(rows, axis=0)
                head = f"{shares:7s} {n_topics:6d} {length:6d}  {name:9s}"
                print(f"{head} {js:.3f}  {f1:.3f}  {zeros:.2f}", flush=True)


def score_shares(name, X, Q):
    """Return divergence, F1 and the share of zeros, at the alpha of the middle part."""
    best, kept = np.inf, None
    for alpha in ALPHAS[name]:
        P = predict_shares(name, alpha, X[0], Q[0], X)
        if divergence(P[1], Q[1]) < best:
            best, kept = divergence(P[1], Q[1]), P
    level = best_threshold(kept[0], (Q[0] > 0).astype(float))
    f1 = f1_score(Q[2] > 0, kept[2] > level, average="micro")
    return divergence(kept[2], Q[2]), f1, float((kept[2] == 0).mean())


def read_digits(folder):
    """Return the test images of MNIST in [0, 1], (10000, 784), and their labels."""
    with gzip.open(folder / "mnist_t10k-images-idx3-ubyte.gz") as file:
        X = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(folder / "mnist_t10k-labels-idx1-ubyte.gz") as file:
        y = np.frombuffer(file.read(), np.uint8, offset=8)
    return X / 255.0, y.astype(int)


def calibration_error(P, y, bins=10):
    """Return the expected calibration error of the largest probability."""
    top, right = P.max(axis=1), P.argmax(axis=1) == y
    place = np.minimum((top * bins).astype(int), bins - 1)
    gaps = [
        abs(top[place == k].mean() - right[place == k].mean()) * (place == k).mean()
        for k in range(bins)
        if (place == k).any()
    ]
    return float(sum(gaps))


def race_digits(folder):
    """Print the table of digits."""
    X, y = read_digits(folder)
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:7000], order[7000:]
    print("alpha   loss       seconds  gap      accuracy  zeros  support  kept  ECE")
    for alpha in (1e-3, 1e-2, 1e-1):
        for loss in ("sparsemax", "multinomial"):
            start = time.process_time()
            if loss == "sparsemax":
                model = SparsemaxClassifier(alpha=alpha).fit(X[train], y[train])
            else:
                model = SparseClassifier(loss, "ridge", alpha=alpha)
                model.fit(X[train], y[train])
            seconds = time.process_time() - start
            P = model.predict_proba(X[test])
            right = np.mean(P.argmax(axis=1) == y[test])
            kept = np.mean(P[np.arange(len(test)), y[test]] > 0)
            print(
                f"{alpha:<7g} {loss:11s} {seconds:6.1f}  "
                f"{model.certificate_.value:.0e}  {right:.4f}    {np.mean(P == 0):.3f}"
                f"  {(P > 0).sum(axis=1).mean():5.2f}   {kept:.3f}  "
                f"{calibration_error(P, y[test]):.3f}",
                flush=True,
            )


def tail_data(loss, n, p, seed=0):
    """Return data with heavy tails, or two classes with few wrong labels."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    z = X @ rng.standard_normal(p) * 2.0 / np.sqrt(p) + 0.5
    if loss in REGRESSION:
        return X, z + rng.standard_t(3, n)
    return X, np.where(z + 0.3 * rng.logistic(size=n) > 0, 1.0, -1.0)


def estimator(loss, **options):
    """Return the estimator of a loss."""
    kind = CVaRRegressor if loss in REGRESSION else CVaRClassifier
    return kind(loss, **options)


def race_steps(epochs=20):
    """Print the table of steps."""
    grid = 10.0 ** np.arange(-4.0, 4.0)
    head = " ".join(f"{step:8g}" for step in grid)
    print(f"loss      beta  rule  {head}")
    for loss in ("absolute", "squared", "logistic"):
        X, y = tail_data(loss, 500, 10)
        for beta in (0.5, 0.9, 0.95):
            best = estimator(loss, beta=beta, alpha=0.01, tol=1e-8).fit(X, y)
            pieces, level = get_pieces(loss, REGRESSION + BINARY), np.full(10, 0.01)
            data = (X, y, pieces, get_penalty("ridge"), level, None, True)
            problem = TailProblem(*data, beta=beta)
            for rule in ("sgm", "spl+"):
                found = []
                for step in grid:
                    runs = [
                        run_steps(problem, step, rule, seed, epochs)
                        for seed in range(3)
                    ]
                    scale = runs[0][1] - best.objective_
                    mean = np.mean([value for value, _ in runs])
                    found.append((mean - best.objective_) / scale)
                row = " ".join(f"{min(value, 9e9):8.1e}" for value in found)
                print(f"{loss:9s} {beta:4g}  {rule:4s}  {row}", flush=True)


def run_steps(problem, step, rule, seed, epochs):
    """Return the objective at the end, and that of a constant prediction."""
    solver = StochasticProxLinear(problem, 1e-12, step, seed, rule)
    state = solver.init()
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(epochs):
            state = solver.step(state)
        value = solver.certificate(state).objective
    return (value if np.isfinite(value) else np.inf), solver.scale


def race_exact():
    """Print the table of exact solvers."""
    print("loss       n      p     beta  solver     seconds  objective     excess")
    for loss, n, p, beta in (
        ("absolute", 1000, 20, 0.9),
        ("squared", 1000, 20, 0.9),
        ("logistic", 1000, 20, 0.5),
        ("absolute", 5000, 50, 0.9),
        ("squared", 5000, 50, 0.9),
        ("logistic", 5000, 50, 0.5),
        ("hinge", 5000, 50, 0.5),
        ("squared", 1000, 300, 0.9),
    ):
        X, y = tail_data(loss, n, p)
        found = []
        for tol in (1e-6, 1e-9):
            start = time.process_time()
            model = estimator(loss, beta=beta, alpha=0.01, tol=tol).fit(X, y)
            seconds = time.process_time() - start
            found.append((f"tol {tol:g}", seconds, model.objective_))
        for solver in LIMITS if importlib.util.find_spec("cvxpy") else ():
            found.append((solver, *solve_cvxpy(X, y, loss, beta, solver)))
        best = min(value for _, _, value in found)
        for name, seconds, value in found:
            print(
                f"{loss:9s} {n:6d} {p:4d} {beta:7g}  {name:9s} {seconds:8.2f}  "
                f"{value:12.8f}  {(value - best) / best:.0e}",
                flush=True,
            )


def solve_cvxpy(X, y, loss, beta, solver):
    """Return the seconds that a solver of CVXPY needs, and the true objective."""
    import cvxpy

    w, b, a = cvxpy.Variable(X.shape[1]), cvxpy.Variable(), cvxpy.Variable()
    eta = X @ w + b
    forms = {
        "absolute": lambda: cvxpy.abs(y - eta),
        "squared": lambda: 0.5 * cvxpy.square(y - eta),
        "logistic": lambda: cvxpy.logistic(-cvxpy.multiply(y, eta)),
        "hinge": lambda: cvxpy.pos(1 - cvxpy.multiply(y, eta)),
    }
    tail = a + cvxpy.sum(cvxpy.pos(forms[loss]() - a)) / (len(y) * (1 - beta))
    cost = tail + 0.005 * cvxpy.sum_squares(w)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cvxpy.Problem(cvxpy.Minimize(cost)).solve(solver=solver, **LIMITS[solver])
    seconds = time.process_time() - start
    if w.value is None:
        return seconds, np.inf
    pieces = get_pieces(loss, REGRESSION + BINARY)
    level = np.full(X.shape[1], 0.01)
    data = (X, y, pieces, get_penalty("ridge"), level, None, True)
    risk = TailProblem(*data, beta=beta).risk(X @ w.value + b.value)[1]
    return seconds, risk + 0.005 * float(w.value @ w.value)


def main():
    """Run one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", choices=("labels", "digits", "steps", "exact"))
    parser.add_argument("--data", type=Path, help="folder with the files of MNIST")
    options = parser.parse_args()
    plain = {"labels": race_labels, "steps": race_steps, "exact": race_exact}
    if options.table in plain:
        plain[options.table]()
    elif options.data is None:
        parser.error("digits needs --data DIR, the folder with the files of MNIST")
    else:
        race_digits(options.data)


if __name__ == "__main__":
    main()
