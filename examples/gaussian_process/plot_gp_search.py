"""
A search that learns from every fit
===================================

A grid and a random search fit the same candidates whatever the first ones have scored.
``GPSearchCV`` fits a Gaussian process to the scores so far, and goes where it promises
most.
"""

# %%
# A score over two parameters
# ---------------------------
# Kernel ridge regression of a noisy function. All there is to know about its score is
# computed first, on a fine grid, which a search cannot afford.
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import make_friedman1
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV

X, y = make_friedman1(200, noise=1.0, random_state=0)
model = KernelRidge(kernel="rbf")
folds = KFold(3, shuffle=True, random_state=0)
limits = {"alpha": (1e-6, 1e3), "gamma": (1e-5, 1e2)}


def grid(size):
    """Return a grid over both parameters, on the log scale."""
    return {name: np.geomspace(*ends, size) for name, ends in limits.items()}


fine = GridSearchCV(model, grid(29), cv=folds, refit=False).fit(X, y - y.mean())
surface = fine.cv_results_["mean_test_score"].reshape(29, 29)
print(f"the best of 841 candidates scores {surface.max():.4f}")

# %%
# Twenty-five candidates each
# ---------------------------
# The search takes the distributions that a random search takes. A log-uniform one is
# searched on the log scale.
from skopt2.gaussian_process import GPSearchCV

space = {name: loguniform(*ends) for name, ends in limits.items()}
options = {"n_iter": 25, "cv": folds, "refit": False}
searches = {
    "grid search": GridSearchCV(model, grid(5), cv=folds, refit=False),
    "random search": RandomizedSearchCV(model, space, random_state=2, **options),
    "GPSearchCV": GPSearchCV(model, space, random_state=2, **options),
}
for name, search in searches.items():
    search.fit(X, y - y.mean())
    print(f"{name:14s} {search.best_score_:.4f}")

# %%
# Several seeds
# -------------
# One run may be lucky. How the best score grows on average over eight seeds, and
# between which scores six of the eight lie:
seeds = range(8)
growth = {}
for name, kind in (("random search", RandomizedSearchCV), ("GPSearchCV", GPSearchCV)):
    runs = [
        kind(model, space, random_state=seed, **options).fit(X, y - y.mean())
        for seed in seeds
    ]
    scores = [run.cv_results_["mean_test_score"] for run in runs]
    growth[name] = np.maximum.accumulate(scores, axis=1)
    print(f"{name:14s} {growth[name][:, -1].mean():.4f}")

# %%
# The first candidates of ``GPSearchCV`` fill the square; the others gather where the
# score is highest.
import matplotlib.pyplot as plt

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, axes = plt.subplots(1, 4, figsize=(13.0, 3.4), layout="constrained")
colors = {"grid search": "#7A828C", "random search": "#C8553D", "GPSearchCV": "#0B5FA5"}
ticks = grid(29)
levels = np.linspace(0.0, 0.85, 18)
for ax, (name, search) in zip(axes, searches.items(), strict=False):
    drawn = ax.contourf(
        *ticks.values(), surface.T, levels, extend="min", cmap="Greys", alpha=0.7
    )
    results = search.cv_results_
    alpha = np.array(results["param_alpha"], dtype=float)
    gamma = np.array(results["param_gamma"], dtype=float)
    start = results.get("round", np.ones(len(alpha))) == 0
    ax.plot(alpha[~start], gamma[~start], "o", ms=5, mec="white", color=colors[name])
    if start.any():
        ax.plot(alpha[start], gamma[start], "s", ms=5, mfc="white", color=colors[name])
        ax.plot([], [], "s", mfc="white", color=colors[name], label="start")
        ax.legend(loc="lower left", framealpha=0.9)
    ax.set(xscale="log", yscale="log", xlabel="alpha", title=name)
    ax.set(xlim=limits["alpha"], ylim=limits["gamma"])
axes[0].set_ylabel("gamma")
fig.colorbar(drawn, ax=axes[2], label="R$^2$ of the folds")
count = np.arange(1, 26)
for name, best in growth.items():
    low, high = np.quantile(best, [1 / 8, 7 / 8], axis=0)
    axes[3].fill_between(count, low, high, color=colors[name], alpha=0.2, lw=0)
    axes[3].plot(count, best.mean(axis=0), color=colors[name], label=name, lw=1.8)
axes[3].axhline(surface.max(), color="black", lw=0.8, ls=":", label="best of 841")
axes[3].set(xlabel="candidates", ylim=(0.73, 0.83), title="best score so far")
axes[3].legend(loc="lower right", frameon=False)
plt.show()

# %%
# What is kept of the search
# --------------------------
# ``cv_results_`` has what the surrogate expected of every candidate before it was
# fitted, so one can see how much of the score it has come to know.
results = searches["GPSearchCV"].cv_results_
later = results["round"] > 5
error = results["mean_test_score"][later] - results["predicted_mean"][later]
print(f"predicted to {np.median(np.abs(error)):.3f}, said to be known to ", end="")
print(f"{np.median(results['predicted_std'][later]):.3f}")

# %%
# **Try next:** ``acquisition="thompson"`` with ``batch_size=4``, for four processors;
# or :class:`~skopt2.gaussian_process.ConstrainedGPSearchCV`, which keeps below a limit
# on the time of a fit.
