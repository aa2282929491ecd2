"""
A thousand observations as a dozen
==================================

A Gaussian process keeps every observation that it was given. Most of them say the same
thing. Here a few pseudo observations with weights are learnt in their place, such that
the posterior given these is near the one given all.
"""

# %%
# What is learnt
# --------------
# 1500 noisy values of a function that is slow on the left and quick on the right, with
# a gap in the middle. The inputs, outputs and weights of 14 pseudo observations, the
# kernel and the noise together maximise a lower bound of the log marginal likelihood.
import numpy as np
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from skopt2.gaussian_process import CoresetGPRegressor

rng = np.random.default_rng(0)
n = 1500
x = np.concatenate([rng.uniform(0.0, 4.4, n // 3), rng.uniform(5.6, 10.0, 2 * n // 3)])
y = np.sin(0.12 * x**2) + 0.25 * rng.standard_normal(n)

kernel = ConstantKernel(1.0) * RBF(1.0) + WhiteKernel(0.1)
model = CoresetGPRegressor(kernel, n_coreset=14, random_state=0)
model.fit(x[:, None], y)
print(model.kernel_)
print(f"{model.n_parameters_} numbers, {model.n_iter_} steps: {model.certificate_}")

# %%
# The same kernel on all rows, by scikit-learn, for comparison: no bound can exceed its
# log marginal likelihood.
from sklearn.gaussian_process import GaussianProcessRegressor

exact = GaussianProcessRegressor(model.kernel_, optimizer=None).fit(x[:, None], y)
print(f"log marginal likelihood {exact.log_marginal_likelihood_value_:8.2f}")
print(f"evidence lower bound    {model.evidence_lower_bound_:8.2f}")

# %%
# Grey dots are the data. The bands are twice the standard deviation of an observation,
# the dashed lines those of the exact process. A pseudo observation may have an output
# that no observation ever had: what counts is the function that they lead to together.
# Each is worth as many observations as its weight says.
print(f"sum of the weights: {model.coreset_weights_.sum():.0f}, of {n} observations")

import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})
grid = np.linspace(-0.6, 10.6, 500)[:, None]
mean, std = model.predict(grid, return_std=True)
exact_mean, exact_std = exact.predict(grid, return_std=True)
place, weight = model.coreset_X_[:, 0], model.coreset_weights_

fig, (top, bottom) = plt.subplots(
    2, 1, figsize=(8.6, 5.0), sharex=True, height_ratios=(3, 1), layout="constrained"
)
top.scatter(x, y, s=4, color="#9AA1AB", alpha=0.5, linewidths=0)
top.fill_between(
    grid[:, 0], mean - 2 * std, mean + 2 * std, color="#0B5FA5", alpha=0.16, lw=0
)
top.plot(grid, mean, color="#0B5FA5", label="given 14 pseudo observations")
for sign in (-2.0, 2.0):
    label = f"given all {n} observations" if sign > 0 else None
    top.plot(
        grid[:, 0],
        exact_mean + sign * exact_std,
        "--",
        color="#1B1F24",
        lw=0.9,
        label=label,
    )
top.scatter(
    place,
    model.coreset_y_,
    s=0.5 * weight + 12,
    color="#C8553D",
    edgecolors="white",
    zorder=3,
    label="pseudo observations, by weight",
)
top.set(ylabel="y", ylim=(-2.4, 2.9))
top.legend(frameon=False, ncols=3, loc="upper left")
bottom.vlines(place, 0.0, weight, color="#C8553D", lw=2.0)
bottom.scatter(place, weight, s=14, color="#C8553D")
bottom.set(xlabel="x", ylabel="weight", ylim=(0.0, None))
for ax in (top, bottom):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# How many are enough?
# --------------------
# The bound says it: it grows with the coreset, and what is missing to the evidence is
# the divergence of the two posteriors. Where it stops to grow more points are wasted.
# The evidence itself is out of reach for a hundred times as many rows, and the bound is
# not.
sizes = (4, 6, 8, 10, 12, 16, 20, 30)
fits = [
    CoresetGPRegressor(kernel, n_coreset=size, random_state=0, max_iter=1500, tol=0.002)
    for size in sizes
]
bounds = [fit.fit(x[:, None], y).evidence_lower_bound_ for fit in fits]
best = GaussianProcessRegressor(fits[-1].kernel_, optimizer=None).fit(x[:, None], y)
evidence = best.log_marginal_likelihood_value_

fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
ax.semilogy(sizes, evidence - np.asarray(bounds), "o-", color="#0B5FA5")
ax.set(xlabel="pseudo observations", ylabel="evidence less bound, in nats")
ax.spines[["top", "right"]].set_visible(False)
ax.grid(color="#D3D7DC", linewidth=0.6)
plt.show()

# %%
# In two dimensions
# -----------------
# 4000 rows of a landscape, most of them towards one corner. The circles are the
# coreset, with an area in proportion to the weight. They cover the square about evenly,
# because the kernel is the same everywhere. Where rows are many, weights are large, and
# the standard deviation is small.
n = 4000
X = 2.0 * rng.beta(1.6, 0.9, (n, 2)) - 1.0


def landscape(X):
    """Return a wave that dies away from the upper right corner."""
    far = (X[:, 0] - 1.0) ** 2 + (X[:, 1] - 1.0) ** 2
    return np.exp(-0.9 * far) * np.sin(5.0 * np.sqrt(far + 0.05))


height = landscape(X) + 0.1 * rng.standard_normal(n)
model = CoresetGPRegressor(n_coreset=30, random_state=0).fit(X, height)

side = np.linspace(-1.15, 1.15, 140)
points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
mean, std = model.predict(points, return_std=True)
spread = np.sqrt(std**2 - model.noise_)

fig, axes = plt.subplots(1, 2, figsize=(9.4, 4.2), layout="constrained")
pictures = ((mean, "RdBu_r", "mean"), (spread, "viridis", "standard deviation of f"))
for ax, (values, colors, title) in zip(axes, pictures, strict=True):
    image = ax.pcolormesh(
        side, side, values.reshape(140, 140), cmap=colors, shading="gouraud"
    )
    fig.colorbar(image, ax=ax, shrink=0.85)
    ax.scatter(
        *model.coreset_X_.T,
        s=0.6 * model.coreset_weights_,
        facecolors="none",
        edgecolors="black" if ax is axes[0] else "white",
        linewidths=1.1,
    )
    ax.set(title=title, xticks=[], yticks=[], aspect="equal")
axes[0].scatter(*X[::4].T, s=1.5, color="black", alpha=0.35, linewidths=0)
plt.show()

# %%
# **Try next:** ``Matern(nu=0.5)``, for which a dozen points are not enough; or a
# coreset of 3, and look at the noise that it needs to explain the rest.
