"""
Block methods of the literature, by passes and by seconds
=========================================================

Cyclic block methods read ``X`` a few columns at a time and use every new value at once.
Four of them are solvers of the sparse models: A-CODER and P-CCD, which compute exact
gradients of their blocks, and the variance-reduced forms of both, which estimate them
from samples of the rows. What do they gain, and against what?

They are explained in :ref:`block_solvers`.
"""

# %%
# Two problems with correlated columns
# ------------------------------------
# Five thousand rows, 120 features, correlation 0.8 between neighbours: a lasso, which
# is convex, and a logistic regression with MCP, which is not. A-CODER is for convex
# problems only.
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skopt2.datasets import make_sparse_regression
from skopt2.linear_model import SparseClassifier, SparseRegressor

X, y, coef = make_sparse_regression(
    5000, 120, n_informative=15, rho=0.8, snr=3.0, random_state=0
)
label = y > np.median(y)
lasso = SparseRegressor(alpha=0.02, tol=1e-9, max_iter=40, random_state=0)
mcp = SparseClassifier(penalty="mcp", alpha=0.02, tol=1e-9, max_iter=20, random_state=0)


def fit(model, target, solvers):
    """Fit with every solver; short of the tolerance is good enough for a picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {
            name: clone(model).set_params(solver=name).fit(X, target)
            for name in solvers
        }


fits = {
    "lasso": fit(lasso, y, ("newton", "a-coder", "vr-a-coder", "p-ccd", "vro-ccd")),
    "logistic, MCP": fit(mcp, label, ("newton", "p-ccd", "vro-ccd")),
}
for problem, models in fits.items():
    for name, model in models.items():
        passes = model.history_["passes"][-1] if "passes" in model.history_ else np.nan
        seconds = model.history_["time"][-1]
        print(
            f"{problem:14s} {name:11s} {seconds:6.2f} s {passes:6.0f} passes  "
            f"objective {model.objective_:.9f}  {model.stop_reason_}"
        )

# %%
# Passes and seconds
# ------------------
# A pass is one reading of all of ``X``. On the left, estimated gradients save passes
# where exact ones read every row to move a little. On the right, the same fits by the
# clock, with Newton's method on the active coefficients, the default: one Gram matrix
# tells it everything that the others find out step by step. Under MCP there are several
# stationary points, and the solvers end at different ones, as the objectives above
# say: so the lower row shows the certificate, how far from stationary they are.
import matplotlib.pyplot as plt
from matplotlib.ticker import NullFormatter

COLOURS = {
    "newton": "black",
    "a-coder": "tab:blue",
    "vr-a-coder": "tab:cyan",
    "p-ccd": "tab:red",
    "vro-ccd": "tab:orange",
}
plt.rcParams.update({"font.size": 9})
fig, axes = plt.subplots(2, 2, figsize=(9, 6.5), sharey="row", layout="constrained")
for row, (problem, models) in zip(axes, fits.items(), strict=True):
    best = min(model.history_["objective"].min() for model in models.values())
    for name, model in models.items():
        height = model.history_["certificate"]
        if problem == "lasso":
            height = np.maximum(model.history_["objective"] / best - 1.0, 1e-13)
        style = {"color": COLOURS[name], "marker": ".", "label": name}
        for ax, column in zip(row, ("passes", "time"), strict=True):
            if column in model.history_:
                ax.loglog(model.history_[column], height, **style)
    row[0].set_title(problem, loc="left")
    row[1].legend(fontsize=8, frameon=False)
axes[0, 0].set_ylabel("relative error of the objective")
axes[1, 0].set(xlabel="passes over X", ylabel="certificate")
axes[1, 1].set_xlabel("seconds")
for ax in axes.flat:
    ax.spines[["top", "right"]].set_visible(False)
    ax.xaxis.set_minor_formatter(NullFormatter())
plt.show()

# %%
# So the papers' methods are what to compare with, not what to use, unless only a few
# passes over ``X`` can be afforded.
#
# **Try next:** ``penalty="elasticnet"``, whose strong convexity A-CODER knows of.
