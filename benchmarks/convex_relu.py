"""Convex networks beside networks trained by gradient descent: the tables of the guide.

Run from the root of the repository::

    python -m benchmarks.convex_relu objective
    python -m benchmarks.convex_relu accuracy
    python -m benchmarks.convex_relu attack
    python -m benchmarks.convex_relu steps

``objective``: the same objective, mean loss and weight decay, minimised by
``ConvexReLU*`` and by L-BFGS from many seeds at several widths. ``accuracy``: test
accuracy on data of scikit-learn, 600 rows at most, split in halves; the level of the
penalty, and for ``MLPClassifier`` its width, by three folds; MLPs of several seeds.
``attack``: accuracy under projected gradient attacks from several starts, on moves of
at most ``eps`` of each standardised feature. ``steps``: seconds and digits of ADMM.

Times are processor seconds; use one thread for them to mean anything
(``OPENBLAS_NUM_THREADS=1``).
"""

import argparse
import time
import warnings

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_moons,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skopt2.losses import get_loss
from skopt2.neural_network import ConvexReLUClassifier, ConvexReLURegressor
from skopt2.solvers.convex_relu.admm import ReLUADMM
from skopt2.solvers.convex_relu.gates import sample_gates
from skopt2.solvers.convex_relu.program import ReLUProgram


def load(name):
    """Return standardised features and the target of a data set.

    Parameters
    ----------
    name : {"waves", "moons", "diabetes", "breast cancer", "wine", "digits"}
        ``waves`` is 30 points on a line, for which all patterns are enumerated.

    Returns
    -------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,)
    """
    if name == "waves":
        rng = np.random.default_rng(4)
        x = np.sort(rng.uniform(-2.0, 2.0, 30))
        y = np.sin(3.0 * x) * np.exp(-0.2 * x**2)
        return x[:, None], y + 0.08 * rng.standard_normal(30)
    if name == "moons":
        return make_moons(200, noise=0.2, random_state=0)
    loaders = {
        "diabetes": load_diabetes,
        "breast cancer": load_breast_cancer,
        "wine": load_wine,
        "digits": load_digits,
    }
    X, y = loaders[name](return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return X, (y - y.mean()) / y.std() if name == "diabetes" else y


class Descent:
    """L-BFGS on the objective of ``ConvexReLU*`` with one output.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows.
    y : ndarray of shape (n,)
        Target, or -1 and 1.
    loss : str
        Of ``skopt2.losses``.
    alpha : float
        Level.
    width : int
        Neurons.
    """

    def __init__(self, X, y, loss, alpha, width):
        self.rows = np.c_[X, np.ones(len(X))]
        self.y, self.loss, self.alpha, self.width = y, get_loss(loss), alpha, width
        self.s = np.full(len(X), 1.0 / len(X))

    def __call__(self, x):
        """Return objective and gradient."""
        m, d = self.width, self.rows.shape[1]
        W, a = x[: m * d].reshape(m, d), x[m * d : -1]
        hidden = np.maximum(self.rows @ W.T, 0.0)
        eta = hidden @ a + x[-1]
        theta = self.s * self.loss.gradient(self.y, eta)
        back = theta[:, None] * a * (hidden > 0.0)
        slope = np.r_[(back.T @ self.rows).ravel(), hidden.T @ theta, theta.sum()]
        slope[:-1] += self.alpha * x[:-1]
        value = self.loss.value(self.y, eta, self.s)
        return value + 0.5 * self.alpha * (x[:-1] @ x[:-1]), slope

    def run(self, seed):
        """Return the objective reached from random weights of the usual size."""
        m, d = self.width, self.rows.shape[1]
        rng = np.random.default_rng(seed)
        W = rng.standard_normal((m, d)) * np.sqrt(2.0 / d)
        x = np.r_[W.ravel(), rng.standard_normal(m) * np.sqrt(1.0 / m), 0.0]
        options = {"maxiter": 5000, "maxfun": 20_000, "ftol": 1e-10}
        return minimize(self, x, jac=True, method="L-BFGS-B", options=options).fun


def timed(function, *arguments):
    """Return what a call returns, and its processor time."""
    start = time.process_time()
    found = function(*arguments)
    return found, time.process_time() - start


OBJECTIVES = (
    ("waves", "squared", 3e-4, "all"),
    ("moons", "logistic", 1e-3, 100),
    ("moons", "logistic", 1e-2, 100),
    ("diabetes", "squared", 3e-2, 100),
    ("diabetes", "squared", 1e-2, 100),
    ("breast cancer", "logistic", 1e-2, 50),
    ("breast cancer", "logistic", 1e-3, 50),
)


def race_objectives(seeds):
    """Print the objectives of convex fits and of descents from many seeds."""
    print(
        "data           alpha  method          objective              gap      "
        "violation  seconds"
    )
    for name, loss, alpha, gates in OBJECTIVES:
        X, y = load(name)
        kind = ConvexReLURegressor if loss == "squared" else ConvexReLUClassifier
        methods = {
            "admm": {"n_gates": gates},
            "admm, dual": {"n_gates": gates, "init": "dual"},
            "admm, descent": {"n_gates": gates, "init": "descent"},
            "sampled": {"n_gates": 5000, "solver": "sampled"},
        }
        for solver, options in methods.items():
            if gates == "all" and solver.startswith("admm, "):
                continue
            model = kind(loss, alpha=alpha, max_iter=3000, random_state=0, **options)
            _, seconds = timed(model.fit, X, y)
            violation = model.gate_violation(X, random_state=1)
            print(
                f"{name:14} {alpha:<6g} {solver:15} {model.objective_:<22.6f} "
                f"{model.dual_gap_:8.1e} {violation:9.3f} {seconds:8.2f}",
                flush=True,
            )
        target = y if loss == "squared" else 2.0 * y - 1.0
        for width in (10, 50):
            descent = Descent(X, target, loss, alpha, width)
            found, seconds = timed(lambda d=descent: [d.run(i) for i in range(seeds)])
            low, middle, high = np.quantile(found, (0.0, 0.5, 1.0))
            print(
                f"{name:14} {alpha:<6g} L-BFGS, {width:<7} "
                f"{low:.6f} {middle:.6f} {high:.6f} {seconds / seeds:23.2f}",
                flush=True,
            )


CONVEX = {
    "admm": {"n_gates": 30},
    "admm, descent": {"n_gates": 30, "init": "descent"},
    "sampled": {"n_gates": 2000, "solver": "sampled"},
}


def race_accuracy(names, splits, seeds):
    """Print test accuracies with the parameters chosen by folds."""
    levels = [1e-3, 1e-2]
    print("data           method          accuracy, sd      seconds of a fit")
    for name in names:
        X, y = load(name)
        X, y = X[:600], y[:600]
        results = {}
        for split in range(splits):
            parts = train_test_split(
                X, y, test_size=0.5, stratify=y, random_state=split
            )
            for solver, options in CONVEX.items():
                model = ConvexReLUClassifier(tol=1e-2, random_state=0, **options)
                search = GridSearchCV(model, {"alpha": levels}, cv=3)
                add(results, solver, search, parts, [0])
            model = MLPClassifier(max_iter=1000, random_state=0)
            grid = {
                "alpha": [1e-4, 1e-2, 1.0],
                "hidden_layer_sizes": [(20,), (100,)],
            }
            add(results, "MLP", GridSearchCV(model, grid, cv=3), parts, range(seeds))
        for method, (scores, seconds) in results.items():
            print(
                f"{name:14} {method:15} {np.mean(scores):.4f}, {np.std(scores):.4f} "
                f"{np.mean(seconds):12.2f}",
                flush=True,
            )


def add(results, method, search, parts, seeds):
    """Add the test scores of the best parameters, for each seed."""
    X, X_test, y, y_test = parts
    best = search.fit(X, y).best_estimator_
    scores, seconds = results.setdefault(method, ([], []))
    for seed in seeds:
        _, spent = timed(best.set_params(random_state=seed).fit, X, y)
        scores.append(best.score(X_test, y_test))
        seconds.append(spent)


def slopes(model, X):
    """Return the derivatives of the score of two classes in the features."""
    (W, a), c = model.coefs_, model.intercepts_[0]
    return ((X @ W + c > 0.0) * a[:, 0]) @ W.T


def scores_of(model, X):
    """Return the score of the second class before the logistic function."""
    (W, a), (c, b) = model.coefs_, model.intercepts_
    return (np.maximum(X @ W + c, 0.0) @ a + b)[:, 0]


def attacked(model, X, y, eps, starts=3, steps=30):
    """Return the share of rows that projected gradient attacks leave right.

    Parameters
    ----------
    model : estimator
        With ``coefs_`` and ``intercepts_`` of one hidden layer of ReLU neurons.
    X : ndarray of shape (n, d)
        Rows.
    y : ndarray of shape (n,)
        Classes 0 and 1.
    eps : float
        Largest move of a feature.
    starts, steps : int
        Of the attack; the first start is at the row itself, where the first step is the
        fast gradient sign method.

    Returns
    -------
    accuracy : float
    """
    sign = 2.0 * y - 1.0
    held = sign * scores_of(model, X) > 0.0
    rng = np.random.default_rng(0)
    for start in range(starts):
        move = np.zeros_like(X) if not start else rng.uniform(-eps, eps, X.shape)
        for step in range(steps):
            size = eps if step == 0 and not start else 0.1 * eps
            pull = sign[:, None] * slopes(model, X + move)
            move = np.clip(move - size * np.sign(pull), -eps, eps)
            held &= sign * scores_of(model, X + move) > 0.0
    return held.mean()


class AdversarialMLP:
    """A network trained on attacks: full batches, Adam, squared hinge, weight decay.

    Parameters
    ----------
    eps : float
        Largest move of a feature.
    steps : int
        Of the attack before each update: 1 is the fast gradient sign method.
    alpha : float
        Level.
    width : int, default=50
        Neurons.
    updates : int, default=600
        Of the weights.
    """

    def __init__(self, eps, steps, alpha, width=50, updates=600):
        self.eps, self.steps, self.alpha = eps, steps, alpha
        self.width, self.updates, self.seed = width, updates, 0

    def set_params(self, random_state):
        """Set the seed."""
        self.seed = random_state

    def _set_weights(self, x, d):
        W = x[: self.width * (d + 1)].reshape(self.width, d + 1)
        a = x[self.width * (d + 1) : -1]
        self.coefs_ = [W[:, :d].T, a[:, None]]
        self.intercepts_ = [W[:, d], x[-1:]]

    def fit(self, X, y):
        """Train from random weights."""
        rng, d, sign = np.random.default_rng(self.seed), X.shape[1], 2.0 * y - 1.0
        W = rng.standard_normal((self.width, d + 1)) * np.sqrt(2.0 / (d + 1))
        a = rng.standard_normal(self.width) / np.sqrt(self.width)
        x = np.r_[W.ravel(), a, 0.0]
        mean, square = np.zeros_like(x), np.zeros_like(x)
        for t in range(1, self.updates + 1):
            self._set_weights(x, d)
            move = np.zeros_like(X)
            if self.steps > 1:
                move = rng.uniform(-self.eps, self.eps, X.shape)
            for _ in range(self.steps):
                size = self.eps if self.steps == 1 else 0.25 * self.eps
                pull = sign[:, None] * slopes(self, X + move)
                move = np.clip(move - size * np.sign(pull), -self.eps, self.eps)
            attacked_rows = Descent(
                X + move, sign, "squared_hinge", self.alpha, self.width
            )
            slope = attacked_rows(x)[1]
            mean = 0.9 * mean + 0.1 * slope
            square = 0.999 * square + 0.001 * slope**2
            unit = np.sqrt(square / (1 - 0.999**t)) + 1e-8
            x = x - 0.01 * (mean / (1 - 0.9**t)) / unit
        self._set_weights(x, d)
        return self

    def score(self, X, y):
        """Return the accuracy."""
        return np.mean((scores_of(self, X) > 0.0) == y)


def race_attacks(splits, seeds):
    """Print accuracies with and without attacks."""
    print("data           eps   method          accuracy  attacked  seconds")
    cases = (("moons", 0.15, 1e-3, 50), ("breast cancer", 0.2, 3e-3, 10))
    for name, eps, alpha, gates in cases:
        X, y = load(name)
        options = {"alpha": alpha, "n_gates": gates, "tol": 2e-2, "random_state": 0}
        methods = {
            "convex": ConvexReLUClassifier("squared_hinge", **options),
            "robust": ConvexReLUClassifier("squared_hinge", robust=eps, **options),
            "MLP 1e-4": MLPClassifier(max_iter=1000),
            "MLP 1": MLPClassifier(alpha=1.0, max_iter=1000),
            "MLP, FGSM": AdversarialMLP(eps, 1, alpha),
            "MLP, PGD": AdversarialMLP(eps, 8, alpha),
        }
        for method, model in methods.items():
            found = []
            for split in range(splits):
                X_train, X_test, y_train, y_test = train_test_split(
                    X, y, test_size=0.5, stratify=y, random_state=split
                )
                for seed in range(seeds if method.startswith("MLP") else 1):
                    model.set_params(random_state=seed)
                    _, seconds = timed(model.fit, X_train, y_train)
                    right = model.score(X_test, y_test)
                    held = attacked(model, X_test, y_test, eps)
                    found.append((right, held, seconds))
            right, held, seconds = np.mean(found, axis=0)
            print(
                f"{name:14} {eps:<5g} {method:15} {right:8.3f} {held:9.3f} "
                f"{seconds:8.2f}",
                flush=True,
            )


def count_steps(patterns, steps):
    """Print the seconds of a step of ADMM, and its digits by steps."""
    X, y = load("breast cancer")
    n, s = len(X), np.full(len(X), 1.0 / len(X))
    rows = np.c_[X, np.ones(n)]
    print("patterns  variables  set up, s  step, ms")
    for count in patterns:
        D = sample_gates(rows, s, count, True, np.random.default_rng(0)).astype(float)
        program = ReLUProgram(
            rows, 2.0 * y - 1.0, s, get_loss("logistic"), D, 0.01, True
        )
        solver, setup = timed(ReLUADMM, program)
        state = solver.init()
        start = time.process_time()
        for _ in range(20):
            state = solver.step(state)
        step = (time.process_time() - start) / 20
        print(f"{len(D):8} {2 * D.shape[0] * 31:10} {setup:10.2f} {1e3 * step:9.2f}")
    print("data            distance of the bound to its end, by steps")
    marks = [i for i in (25, 50, 100, 200, 400, 800, 1600, 3200) if i <= steps]
    for name in ("moons", "breast cancer"):
        X, y = load(name)
        rows, s = np.c_[X, np.ones(len(X))], np.full(len(X), 1.0 / len(X))
        D = sample_gates(rows, s, 50, True, np.random.default_rng(0)).astype(float)
        program = ReLUProgram(
            rows, 2.0 * y - 1.0, s, get_loss("logistic"), D, 0.01, True
        )
        solver = ReLUADMM(program)
        state, bounds = solver.init(), []
        for step in range(2 * steps):
            state = solver.step(state)
            if step + 1 in marks:
                solver.certificate(state)
                bounds.append(state.bound)
        solver.certificate(state)
        found = [f"{(state.bound - b) / program.scale:.0e}" for b in bounds]
        print(f"{name:14}", *found)


def main(arguments=None):
    """Read the table that is wanted, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("table", choices=("objective", "accuracy", "attack", "steps"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument(
        "--data", nargs="+", default=["breast cancer", "wine", "digits"]
    )
    parser.add_argument("--steps", type=int, default=3200)
    parser.add_argument(
        "--patterns", type=int, nargs="+", default=[25, 50, 100, 200, 400]
    )
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", ConvergenceWarning)
    if options.table == "objective":
        race_objectives(options.seeds)
    elif options.table == "accuracy":
        race_accuracy(options.data, options.splits, options.seeds)
    elif options.table == "attack":
        race_attacks(options.splits, options.seeds)
    else:
        count_steps(options.patterns, options.steps)


if __name__ == "__main__":
    main()
