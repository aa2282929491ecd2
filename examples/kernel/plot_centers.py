"""
Which rows to keep
==================

A kernel model on all rows is dear; one on a few of them, the landmarks, need not be
much worse. Which rows should they be? The answer depends on what they are for.
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
# At random; by k-means++, each row in proportion to its squared distance from those
# before; and by kernel thinning, which makes averages over the chosen rows those over
# all.
import time

from skopt2.kernel_machine import KernelThinning, rejection_kmeans_plusplus
from skopt2.kernels import Gaussian

kernel = Gaussian(length_scale=0.5)


def at_random(size, seed):
    """Draw rows without replacement."""
    return np.random.default_rng(seed).choice(n, size, replace=False)


def far_apart(size, seed):
    """Draw rows as k-means++ does."""
    drawn = rejection_kmeans_plusplus(X, size, random_state=seed, return_indices=True)
    return drawn[1]


def thinned(size, seed):
    """Choose rows by kernel thinning."""
    return KernelThinning(kernel, size, random_state=seed).fit(X).indices_


choices = {
    "at random": (at_random, "#7A828C"),
    "k-means++": (far_apart, "#C8553D"),
    "kernel thinning": (thinned, "#0B5FA5"),
}
plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, (name, (choose, color)) in zip(axes, choices.items(), strict=True):
    start = time.process_time()
    rows = choose(64, 0)
    seconds = time.process_time() - start
    on_ring = np.sum(part[rows] == 2)
    ax.plot(*X.T, ".", color="#D3D7DC", markersize=2)
    ax.plot(*X[rows].T, "o", color=color, markersize=4)
    ax.set_title(f"{name}: {on_ring} of 64 on the ring, {seconds:.2f} s")
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.spines[:].set_visible(False)
plt.show()

# %%
# Two uses
# --------
# *Averages.* The maximum mean discrepancy is the largest error of an average over the
# chosen rows, among all functions of norm one in the space of the kernel.
#
# *Regression.* A ridge model with the landmarks' features, of the Nystrom kind,
# k(x, Z) L'^-1 with L L' = k(Z, Z), learns a wave from noisy values. The error is the
# root mean square of what it misses of the wave.
from scipy.linalg import cholesky, solve_triangular
from sklearn.linear_model import Ridge

K = kernel(X)
wave = np.sin(2.0 * X[:, 0]) * np.cos(2.0 * X[:, 1])
y = wave + 0.1 * rng.standard_normal(n)


def discrepancy(rows):
    """Return the maximum mean discrepancy of some rows to the sample."""
    mean = K.mean() - 2.0 * K[rows].mean() + K[np.ix_(rows, rows)].mean()
    return np.sqrt(mean)


def regression_error(rows):
    """Return the error of a Nystrom model on the landmarks."""
    lower = cholesky(K[np.ix_(rows, rows)] + 1e-10 * np.eye(len(rows)), lower=True)
    features = solve_triangular(lower, K[rows], lower=True).T
    model = Ridge(alpha=0.01, fit_intercept=False).fit(features, y)
    return np.sqrt(np.mean((model.predict(features) - wave) ** 2))


sizes = (16, 32, 64, 128, 256)
found = {
    name: [
        np.mean(
            [
                (discrepancy(rows), regression_error(rows))
                for rows in (choose(size, seed) for seed in range(3))
            ],
            axis=0,
        )
        for size in sizes
    ]
    for name, (choose, _) in choices.items()
}

# %%
# For averages, sixteen thinned rows are as good as 256 at random, and rows that are far
# apart are the worst: they stand for the edges. For the regression it is the other way
# round as soon as there are enough for the ring, since every point needs a landmark
# near it. Thinned rows repeat the sample, its rare parts as rarely as they are.
titles = ("largest error of an average", "error of a regression")
ticks = ((0.01, 0.03, 0.1, 0.3), (0.02, 0.05, 0.1, 0.2))
fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for j, (ax, title) in enumerate(zip(axes, titles, strict=True)):
    for name, (_, color) in choices.items():
        values = [pair[j] for pair in found[name]]
        ax.plot(sizes, values, "o-", color=color, markersize=4, label=name)
    ax.set(xscale="log", yscale="log", xlabel="rows chosen", title=title)
    ax.set_xticks(sizes, [f"{size}" for size in sizes])
    ax.set_yticks(ticks[j], [f"{tick:g}" for tick in ticks[j]])
    ax.minorticks_off()
    ax.grid(color="#D3D7DC", linewidth=0.6)
axes[0].legend(frameon=False)
plt.show()

# %%
# **Try next:** ``KernelThinning(variant="plus")`` with the rough
# ``Matern(nu=0.5)`` kernel, and ``sample_weight`` in :func:`rejection_kmeans_plusplus
# <skopt2.kernel_machine.rejection_kmeans_plusplus>`, which multiplies the distances.
