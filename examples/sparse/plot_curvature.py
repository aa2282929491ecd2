"""
Steps from curvature, with nothing to tune
==========================================

How long should a step be? A gradient method asks its user for a learning rate, and the
answer depends on the units of every column. The solvers of this example read the answer
off the curvature of the objective: second derivatives tell how far a gradient is to be
trusted. None of them is given a single option here.
"""

# %%
# Columns in odd units
# --------------------
# Counts beside shares beside metres: the columns of these data have sizes from
# :math:`10^{-3}` to :math:`10^{3}`, and neighbours are alike. A ridge keeps the
# logistic model finite.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skopt2.linear_model import (
    LazyNewton,
    PolynomialGradient,
    SparseClassifier,
    SparseRegressor,
)
from skopt2.penalties import ElasticNet

rng = np.random.default_rng(0)
n, p = 2000, 250
Z = rng.standard_normal((n, p))
for j in range(1, p):
    Z[:, j] = 0.9 * Z[:, j - 1] + 0.44 * Z[:, j]
eta = Z @ rng.standard_normal(p)
y = eta / eta.std() * 3.0 + rng.logistic(size=n) > 0
X = Z * 10.0 ** rng.uniform(-3, 3, p)


def fit(solver, alpha=1e-9, **options):
    """Fit and return the model; a solver that is slow ends after 300 rows."""
    model = SparseClassifier(
        penalty=ElasticNet(l1_ratio=0), alpha=alpha, solver=solver, random_state=0
    )
    return model.set_params(tol=1e-11, max_iter=300, **options).fit(X, y)


# The first-order ones are stopped early, which is what the picture is about.
warnings.simplefilter("ignore", ConvergenceWarning)
names = {
    "newton-damped": "damped Newton",
    "newton-lazy": "lazy Hessians",
    "newton-gn": "gradient-normalised",
    "poly": "polynomial, order 4",
    "oasis": "OASIS",
}
models = {label: fit(name) for name, label in names.items()}
best = min(model.objective_ for model in models.values())
start = np.log(2.0)

# %%
# On the left iterations, on the right what they cost: a gradient and a product with the
# Hessian read the data twice each, and a Hessian counts by its arithmetic, a quarter of
# a gradient for each column. The Newton methods need the fewest iterations; lazy
# Hessians buy most of that for the price of a few matrices; the polynomial method forms
# no matrix at all. OASIS, a diagonal and no line search, makes its way from odd units
# as if they were not there, but what neighbouring columns share is in no diagonal.
fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
colors = ["#1b6ca8", "#d1495b", "#3a8f5c", "#e8a33d", "0.45"]
for (label, model), color in zip(models.items(), colors, strict=True):
    history = model.history_
    gap = np.maximum((history["objective"] - best) / (start - best), 1e-13)
    gap = np.append(1.0, gap)
    cost = history["gradients"] + history["hessians"] * p / 4
    for axis, at in zip(axes, (history["iterations"], cost), strict=True):
        axis.loglog(np.append(1, at + 1), gap, color=color, lw=2, label=label)
axes[0].set(xlabel="iterations, plus one", ylabel="relative error of the objective")
axes[1].set(xlabel="cost in gradients", ylim=(1e-12, 2))
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
for axis in axes:
    axis.grid(alpha=0.25, which="major")
    axis.spines[["top", "right"]].set_visible(False)

# %%
# What refreshing costs
# ---------------------
# A Hessian for each step, or one for many? More steps, fewer matrices:
for refresh in (1, 3, 10, "auto"):
    history = fit(LazyNewton(refresh)).history_
    print(
        f"refresh={refresh!s:>4}: {int(history['iterations'][-1]):3d} steps, "
        f"{int(history['hessians'][-1]):2d} Hessians"
    )

# %%
# Large eigenvalues that stop counting
# ------------------------------------
# Three directions of these data vary far more than the other fifty-seven, as the first
# principal components of most data do, and no scaling of columns removes them. The
# gradient method slows down with their size. A polynomial of the curvature of order 3
# takes the three out; one of order 1 takes out one.
p = 60
angle = 2.0 * np.pi * np.arange(p) / p
waves = [np.ones(p)]
for f in range(1, p // 2):
    waves += [np.cos(f * angle), np.sin(f * angle)]
V = np.stack([*waves, np.cos(p // 2 * angle)], axis=1)
V /= np.linalg.norm(V, axis=0)
U = np.linalg.qr(rng.standard_normal((300, p)))[0]
ratios = np.array([1e0, 1e1, 1e2, 1e3, 1e4])


def steps(ratio, order):
    """Return the iterations until the squared error is a millionth of what it was."""
    values = np.linspace(1.0, 2.0, p)
    values[:3] *= ratio
    A = np.sqrt(300) * U @ (np.sqrt(values)[:, None] * V.T)
    b = A @ V @ (1.0 / np.sqrt(values))
    model = SparseRegressor(
        alpha=0,
        fit_intercept=False,
        solver=PolynomialGradient(order=order, form="symmetric"),
    )
    history = model.set_params(tol=1e-7, max_iter=5000).fit(A, b).history_
    low = history["objective"] <= 1e-6 * 0.5 * np.mean(b**2)
    return history["iterations"][np.flatnonzero(low)[0]]


fig, axis = plt.subplots(figsize=(6, 4), layout="constrained")
for order, color in ((0, "0.45"), (1, "#e8a33d"), (3, "#d1495b")):
    label = f"order {order}" if order else "order 0: the gradient method"
    counts = [steps(ratio, order) for ratio in ratios]
    axis.loglog(ratios, counts, "o-", color=color, lw=2, label=label)
axis.set(
    xlabel="three eigenvalues over the others",
    ylabel="iterations to a relative error of 1e-6",
)
axis.legend(frameon=False)
axis.grid(alpha=0.25, which="major")
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# **Try next:** a larger ``alpha``, whose ridge is what gradient steps live on; and
# ``print(model.solver_)`` of a fit with ``solver="auto"``, which makes the choice by
# itself.
