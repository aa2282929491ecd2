"""
Trend filtering: steps, lines and parabolas
===========================================

A signal that changes its behaviour at a few places is measured with noise, at irregular
times. A trend filter of order 0 makes a curve of steps of it, of order 1 one of lines,
of order 2 one of parabolas; where the pieces meet, and how many there are, the data
decide. The level of the penalty is chosen by generalised cross-validation.
"""

# %%
# A ramp up, a plateau, a ramp down and a smooth arc, at 400 irregular places.

import matplotlib.pyplot as plt
import numpy as np

from skopt2.linear_model import TrendFilter

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 10, 400))


def signal(x):
    """A ramp up, a plateau, a ramp down and an arc."""
    ramp = np.minimum(np.minimum(x, 2.0), 6.0 - x)
    return np.where(x < 6, ramp, 1.5 * np.sin((x - 6) * np.pi / 4))


y = signal(x) + 0.3 * rng.standard_normal(400)

# %%
# One fit for each order. Every fit ends with a duality gap: the objective is within a
# millionth of what a single polynomial leaves over.

models = {order: TrendFilter(order=order).fit(x, y) for order in (0, 1, 2)}
for order, model in models.items():
    error = np.sqrt(np.mean((model.fitted_ - signal(x)) ** 2))
    print(
        f"order {order}: {model.knots_.size} knots, error {error:.3f}, "
        f"{model.certificate_}"
    )

# %%
# The curves, with their knots. Lines suit the ramps and need a few pieces for the arc;
# parabolas suit the arc and round the corners; steps need many pieces everywhere.

grid = np.linspace(0, 10, 2000)
fig, axes = plt.subplots(3, 1, figsize=(7, 7.5), sharex=True, layout="constrained")
names = ("steps", "lines", "parabolas")
for ax, (order, model), name in zip(axes, models.items(), names, strict=True):
    ax.plot(x, y, ".", color="0.75", markersize=4, label="measured")
    ax.plot(grid, signal(grid), "--", color="0.3", linewidth=1, label="true")
    ax.plot(grid, model.predict(grid), color="C0", label="trend filter")
    ax.plot(model.knots_, model.predict(model.knots_), "o", color="C3", markersize=4)
    ax.set_title(f"order {order}: {name}, {model.knots_.size} knots")
axes[0].legend(loc=(0.24, 0.04), frameon=False, fontsize=8)
axes[-1].set_xlabel("x")
plt.show()

# %%
# What the criterion saw for order 1: too strong a penalty loses the corners, too weak a
# one follows the noise.

model = models[1]
fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.semilogx(model.alphas_, model.scores_, "o-", markersize=3)
ax.axvline(model.alpha_, color="C3", linewidth=1)
ax.set(xlabel="alpha", ylabel="GCV", title="the level that was chosen")
ax.set_ylim(0, 4 * np.nanmin(model.scores_))
plt.show()

# %%
# **Try next:** ``alpha="cv"``, the choice by folds; or a target with ``sample_weight``,
# where some places were measured more often than others.
