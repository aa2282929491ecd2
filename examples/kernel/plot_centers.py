"""
Which rows to keep
==================

A kernel model on all rows is dear; one on a few of them, its centres, need not be much
worse. Which rows should they be? The answer depends on what they are for.
"""

# %%
# A sample with rare parts
# ------------------------
# 5000 points in the plane: two large groups, and a ring with a twentieth of the points.
import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(0)
n = 5000
part = rng.choice(3, n, p=(0.6, 0.35, 0.05))
angle = 2.0 * np.pi * rng.random(n)
ring = np.c_[3.2 * np.cos(angle), 3.2 * np.sin(angle)]
middle = np.where(
    part[:, None] == 2, ring, np.where(part[:, None] == 1, (1.2, 0.8), (-0.8, -0.4))
)
spread = np.array([0.35, 0.5, 0.08])[part]
X = middle + spread[:, None] * rng.standard_normal((n, 2))

# %%
# Three choices
# -------------
# ``centers=64`` makes a model of 64 bumps, whose places ``center_selection`` chooses
# among the rows: at random; by k-means++, each in proportion to its squared distance
# from those before; or by kernel thinning, which makes averages over the chosen rows
# those over all. All 5000 rows count in the fit of either. It learns a wave from noisy
# values.
import time

from skopt2.kernel_machine import EigenProRegressor
from skopt2.kernels import Gaussian

kernel = Gaussian(length_scale=0.5)
wave = np.sin(2.0 * X[:, 0]) * np.cos(2.0 * X[:, 1])
y = wave + 0.1 * rng.standard_normal(n)


def fitted(selection, size, seed=0):
    """Fit a model on some centres."""
    model = EigenProRegressor(
        kernel, alpha=0.01, centers=size, center_selection=selection, random_state=seed
    )
    return model.fit(X, y)


choices = {
    "random": ("at random", "#7A828C"),
    "k-means++": ("k-means++", "#C8553D"),
    "thinning": ("kernel thinning", "#0B5FA5"),
}
plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, (selection, (name, color)) in zip(axes, choices.items(), strict=True):
    start = time.process_time()
    model = fitted(selection, 64)
    seconds = time.process_time() - start
    on_ring = np.sum(np.linalg.norm(model.centers_, axis=1) > 2.7)
    ax.plot(*X.T, ".", color="#D3D7DC", markersize=2)
    ax.plot(*model.centers_.T, "o", color=color, markersize=4)
    ax.set_title(f"{name}: {on_ring} of 64 on the ring, fit {seconds:.2f} s")
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.spines[:].set_visible(False)
plt.show()

# %%
# Two uses
# --------
# *Regression.* The error is the root mean square of what the model misses of the wave.
#
# *Averages.* The maximum mean discrepancy is the largest error of an average over the
# centres instead of the rows, among all functions of norm one in the space of the
# kernel.
mean = kernel(X).mean()


def discrepancy(Z):
    """Return the maximum mean discrepancy of some points to the sample."""
    return np.sqrt(mean - 2.0 * kernel(Z, X).mean() + kernel(Z).mean())


def errors(selection, size, seed):
    """Return the error of an average, and that of the regression."""
    model = fitted(selection, size, seed)
    missed = model.predict(X) - wave
    return discrepancy(model.centers_), np.sqrt(np.mean(missed**2))


sizes = (16, 32, 64, 128, 256)
found = {
    selection: [
        np.mean([errors(selection, size, seed) for seed in range(3)], axis=0)
        for size in sizes
    ]
    for selection in choices
}

# %%
# For averages, 32 thinned rows are better than 256 at random, and rows that are far
# apart are the worst: they stand for the edges. For the regression it is the other way
# round as soon as there are enough for the ring, since every point needs a centre near
# it. Thinned rows repeat the sample, its rare parts as rarely as they are.
titles = ("largest error of an average", "error of a regression")
ticks = ((0.01, 0.03, 0.1, 0.3), (0.02, 0.05, 0.1, 0.2))
fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for j, (ax, title) in enumerate(zip(axes, titles, strict=True)):
    for selection, (name, color) in choices.items():
        values = [pair[j] for pair in found[selection]]
        ax.plot(sizes, values, "o-", color=color, markersize=4, label=name)
    ax.set(xscale="log", yscale="log", xlabel="rows chosen", title=title)
    ax.set_xticks(sizes, [f"{size}" for size in sizes])
    ax.set_yticks(ticks[j], [f"{tick:g}" for tick in ticks[j]])
    ax.minorticks_off()
    ax.grid(color="#D3D7DC", linewidth=0.6)
axes[0].legend(frameon=False)
plt.show()

# %%
# **Try next:** the rough ``Matern(nu=0.5)`` kernel; a ``sample_weight``, which
# multiplies the distances of k-means++; and
# :class:`~skopt2.kernel_machine.KernelThinning`, which is the third choice as a
# transformer of its own.
