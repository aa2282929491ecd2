"""
Related signals: shared features, shared directions
===================================================

Sixteen signals are measured by one instrument, and each is a combination of the same
few sources among many. One lasso per signal has to find the sources sixteen times, from
little data each time. A penalty of the rows of the coefficients decides for all signals
at once whether a source takes part. Where every feature takes part, but the signals
have only a few patterns in common, a penalty of the singular values finds those.
"""

# %%
# Fifty samples of 80 possible sources, of which eight are active. How much each of
# them contributes changes smoothly from signal to signal, and at times it vanishes.

import matplotlib.pyplot as plt
import numpy as np

from skopt2.linear_model import MultiTaskRegressorCV, SparseRegressorCV

rng = np.random.default_rng(0)
n_samples, n_features, n_tasks = 50, 80, 16
active = np.sort(rng.choice(n_features, 8, replace=False))
phase = np.linspace(0, 2 * np.pi, n_tasks)
coef = np.zeros((n_tasks, n_features))
for k, j in enumerate(active):
    coef[:, j] = np.sin(phase * (1 + k % 3) + k)
X = rng.standard_normal((n_samples, n_features))
Y = X @ coef.T + 1.2 * rng.standard_normal((n_samples, n_tasks))

# %%
# One model per signal, and two for all of them: the lasso of the rows, and its concave
# form, which does not shrink the rows that it keeps.

options = {"alphas": 20, "eps": 0.03, "cv": 4}
single = np.array([SparseRegressorCV(**options).fit(X, y).coef_ for y in Y.T])
shared = MultiTaskRegressorCV("row_lasso", **options).fit(X, Y)
concave = MultiTaskRegressorCV("row_mcp", **options).fit(X, Y)
found = {
    "true": coef,
    "one lasso per signal": single,
    "lasso of rows": shared.coef_,
    "MCP of rows": concave.coef_,
}
for name, W in found.items():
    error = np.linalg.norm(W - coef) / np.linalg.norm(coef)
    used = np.flatnonzero(W.any(axis=0))
    print(f"{name:>20}: {used.size:3d} sources in use, relative error {error:.2f}")

# %%
# Every picture shows the coefficients of all signals, one row each. The single models
# spread false sources everywhere, different ones for each signal; the shared ones know
# that a source is there even where its contribution vanishes.

fig, axes = plt.subplots(1, 4, figsize=(10, 3.2), sharey=True, layout="constrained")
for ax, (name, W) in zip(axes, found.items(), strict=True):
    image = ax.imshow(W, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    ax.set(title=name, xlabel="source")
axes[0].set(ylabel="signal", yticks=[0, 5, 10, 15])
fig.colorbar(image, ax=axes, label="coefficient")
plt.show()

# %%
# Now every source takes part, but all signals are combinations of three patterns: the
# coefficients have rank three. The nuclear norm, a lasso of the singular values, finds
# few directions, but shrinks the three that matter and keeps small ones of noise. The
# MCP of the singular values leaves the large ones alone, and has the right rank.

patterns = rng.standard_normal((3, n_features)) * [[2.0], [1.5], [1.0]]
coef = rng.standard_normal((n_tasks, 3)) @ patterns / 8
X = rng.standard_normal((300, n_features))
Y = X @ coef.T + rng.standard_normal((300, n_tasks))
models = {
    name: MultiTaskRegressorCV(penalty, **options).fit(X, Y)
    for name, penalty in (
        ("lasso of rows", "row_lasso"),
        ("nuclear norm", "nuclear"),
        ("spectral MCP", "spectral_mcp"),
    )
}
for name, model in models.items():
    error = np.linalg.norm(model.coef_ - coef) / np.linalg.norm(coef)
    print(
        f"{name:>14}: rank {model.rank_:2d}, relative error {error:.2f}, "
        f"{model.certificate_}"
    )

# %%
# The singular values of the coefficients, and what cross-validation saw.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
place = np.arange(1, 13)
axes[0].plot(place, np.linalg.svd(coef)[1][:12], "k_", markersize=14, label="true")
marks = zip(models.items(), "sov", strict=True)
for (name, model), mark in marks:
    sizes = np.linalg.svd(model.coef_)[1]
    axes[0].plot(place, sizes[:12], mark, markersize=5, alpha=0.8, label=name)
    error = -model.scores_path_.mean(axis=1)
    share = model.alphas_ / model.alphas_[0]
    axes[1].semilogx(share, error, mark + "-", markersize=3, label=name)
axes[0].set(xlabel="number", ylabel="singular value")
axes[0].legend(frameon=False)
axes[1].axhline(1.0, color="k", linewidth=0.8)
axes[1].text(axes[1].get_xlim()[1], 1.02, "noise", ha="right", va="bottom")
axes[1].set(xlabel="alpha, relative to the largest", ylabel="squared error, new data")
plt.show()

# %%
# **Try next:** ``"row_scad"`` or ``"row_mcp"``, under which large rows are not shrunk;
# or signals with a noise three times as large.
