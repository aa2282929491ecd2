"""
Which block next, and how the descent ends
==========================================

Block coordinate descent moves a few coefficients at a time. How far it gets with each
move depends on three choices: how blocks are formed, which of them is next, and how it
moves. This example shows what greedy choices that know the curvature are worth beside
the Gauss-Southwell rule, which only knows the gradient, and how the descent ends once
it has found which coefficients are not zero.
"""

# %%
# Progress of an update
# ---------------------
# Columns of very unequal size, as raw data have them. ``gs`` takes the block with the
# largest gradient; ``gsl`` divides by the largest curvature of the block, ``gsd`` by
# that of each coordinate, and ``gsq`` solves for the decrease of each block.
# All move the block that they choose to its minimum.
import matplotlib.pyplot as plt
import numpy as np

from skopt2.losses import get_loss
from skopt2.penalties import L1
from skopt2.solvers.block_coordinate_descent.pattern_newton import PatternNewton
from skopt2.solvers.block_coordinate_descent.ruled_descent import full_engine
from skopt2.solvers.block_coordinate_descent.rules import BlockRules
from skopt2.solvers.problem import LinearProblem

rng = np.random.default_rng(0)
n, p = 600, 300
X = rng.standard_normal((n, p)) + 0.5
X = np.where(rng.random((n, p)) < 0.1, X, 0.0) * np.exp(rng.standard_normal(p))
y = X @ rng.standard_normal(p) + rng.standard_normal(n)


def problem(target, loss, level):
    """Return a problem without an intercept."""
    return LinearProblem(
        X, target, get_loss(loss), L1(), np.full(p, level), None, fit_intercept=False
    )


def errors(rules, updates):
    """Return how far the objective is above its minimum after each update."""
    engine = full_engine(problem(y, "squared", 0.0), rules)
    values = []
    for _ in range(updates + 1):
        values.append(0.5 * np.mean((y - X @ engine.x) ** 2))
        engine.update()
    return np.array(values) / values[0]


best = np.linalg.lstsq(X, y, rcond=None)[0]
least = 0.5 * np.mean((y - X @ best) ** 2) / (0.5 * np.mean(y**2))

fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
colors = {
    "random": "0.75",
    "cyclic": "0.5",
    "gs": "black",
    "gsl": "tab:orange",
    "gsd": "tab:blue",
    "gsq": "tab:red",
}
for ax, partition in zip(axes, ("order", "variable"), strict=True):
    for selection, color in colors.items():
        if partition == "variable" and selection in ("cyclic", "gsl"):
            continue
        rules = BlockRules(
            partition, selection, "matrix", 5, finish=False, random_state=0
        )
        curve = errors(rules, 300) - least
        style = {"lw": 2.5 if selection == "gs" else 1.5}
        # Where two rules choose the same blocks both can be seen.
        style["ls"] = "--" if selection == "gsq" else "-"
        ax.semilogy(curve / curve[0], color=color, label=selection, **style)
    ax.set(xlabel="updates of 5 coefficients", ylim=(2e-5, 1.0))
    ax.legend()
axes[0].set(title="fixed blocks", ylabel="error of the objective, relative")
axes[1].set_title("blocks chosen anew")
plt.show()

# %%
# The end
# -------
# With an l1 penalty most coefficients end at exactly 0. After finitely many updates
# block descent has found which, and what is left is a smooth problem in few unknowns.
# Newton's method on it squares the error with each step, where more updates of blocks
# would divide it by a constant; for the squared loss a single step is enough.
label = np.where(X @ (rng.standard_normal(p) * (rng.random(p) < 0.1)) > 0, 1.0, -1.0)
label *= np.where(rng.random(n) < 0.1, -1.0, 1.0)


def distances(target, loss, share, finish):
    """Return distances from optimality, and when the signs were found."""
    null = np.abs(X.T @ get_loss(loss).gradient(target, np.zeros(n))).max() / n
    rules = BlockRules("order", "cyclic", "gradient", 5, finish=False)
    engine = full_engine(problem(target, loss, share * null), rules)
    ends = [engine.distance().max()]
    patterns = [np.sign(engine.x)]
    while ends[-1] > 1e-13 * ends[0] and len(ends) < 150:
        # Newton's turn is when the signs have rested for three sweeps.
        rested = len(patterns) > 3 and np.array_equal(patterns[-1], patterns[-4])
        if not (finish and rested and PatternNewton(engine).step()):
            engine.sweep()
        ends.append(engine.distance().max())
        patterns.append(np.sign(engine.x))
    same = [np.array_equal(pattern, patterns[-1]) for pattern in patterns]
    return np.array(ends), len(same) - same[::-1].index(False)


fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
cases = (("least squares", y, "squared"), ("logistic regression", label, "logistic"))
for ax, (name, target, loss) in zip(axes, cases, strict=True):
    for finish, color in ((False, "0.5"), (True, "tab:red")):
        ends, found = distances(target, loss, 0.05, finish)
        what = "blocks, then Newton" if finish else "blocks alone"
        ax.semilogy(ends / ends[0], color=color, marker=".", label=what)
        if finish:
            ax.axvline(found, color="tab:blue", ls=":", label="signs found")
    ax.set(title=f"l1 {name}", xlabel="sweeps and Newton steps", ylim=(1e-16, 2.0))
    ax.legend()
axes[0].set_ylabel("distance from optimality, relative")
plt.show()

# %%
# **Try next:** blocks of 2 and of 20 in the last picture; or ``"mcp"`` for the penalty
# of a :class:`~skopt2.linear_model.SparseRegressor` with
# ``solver=BlockCoordinateDescent("order", "gsq", block_size=5)``.
