"""
Finding mistakes in private code
================================

Programs with mistakes in their privacy look like programs without: they run, and their
models are even a little better. An audit attacks them. It plants records that are there
or not by the toss of a coin, guesses the coins from what is released, and counts.
"""

# %%
# A program, and four mistakes
# ----------------------------
# Logistic regression by noisy gradient descent, as one might write it. The gradient of
# each row is clipped, and the sum gets noise that covers the largest effect of a row,
# in each of twenty steps. How much noise that takes, an estimator of ours says.
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit

from skopt2.privacy import DPLogisticClassifier, audit

CLIP, STEPS = 0.05, 20
ours = DPLogisticClassifier(epsilon=1.0, delta=1e-5, classes=[0, 1], max_iter=STEPS)
multiplier = ours.fit(np.zeros((2, 1)), [0, 1]).privacy_.noise_multiplier
print(f"noise over effect of a row, in each step: {multiplier:.1f}")


def descent(X, y, seed, mistake=None):
    """Return the coefficients, with a mistake on the way if one is named."""
    rng = np.random.default_rng(0 if mistake == "one seed for all" else seed)
    signs, coef = 2 * y - 1, np.zeros(X.shape[1])
    std = multiplier * CLIP
    if mistake == "half of the noise":
        std = std / 2
    if mistake == "noise of one step":
        std = std / np.sqrt(STEPS)
    for _ in range(STEPS):
        slopes = -signs * expit(-signs * (X @ coef))
        norms = np.abs(slopes) * np.linalg.norm(X, axis=1)
        if mistake != "no clipping":
            slopes = slopes * np.minimum(1, CLIP / np.maximum(norms, 1e-300))
        noise = rng.normal(scale=std, size=coef.size)
        coef = coef - 1e-3 * (X.T @ slopes + noise)
    return coef


# %%
# The game
# --------
# Row j has a 1 at place j and zeros elsewhere, so that coefficient j knows of row j
# alone, and a single fit plays the game with 512 rows. Those that are absent are rows
# of zeros, which have no gradient. If the fit is private, coefficients of rows that are
# present (red) can hardly be told from the others (grey).
mistakes = (
    None,
    "half of the noise",
    "noise of one step",
    "no clipping",
    "one seed for all",
)
present = np.random.default_rng(0).random(512) < 0.5
X = np.diag(present.astype(float))
fig, axes = plt.subplots(1, 5, figsize=(12, 2.6), layout="constrained")
for ax, mistake in zip(axes, mistakes, strict=True):
    coef = descent(X, present.astype(int), 1, mistake)
    scores = coef / coef[~present].std()
    bins = np.linspace(scores.min(), scores.max(), 30)
    ax.hist(scores[~present], bins, color="#8A8F98", alpha=0.6, label="absent")
    ax.hist(scores[present], bins, color="#C8553D", alpha=0.6, label="present")
    ax.set_title(mistake or "as it should be", fontsize=10)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_yticks([])
    ax.tick_params(labelsize="small")
axes[0].legend(frameon=False, fontsize="small", loc="upper left")
axes[2].set_xlabel("coefficient of a row, in standard deviations of its noise")
plt.show()

# %%
# The third and the fourth mistake can be seen. The first two panels look alike, and so
# does the last one, although its noise protects nothing: it is the same in every fit,
# and the difference of two fits is free of it.
#
# The verdict
# -----------
# ``audit`` plays the game in 32 fits with a seed of its own for each, guesses present
# for the highest scores and absent for the lowest, and bounds epsilon from below: with
# a probability of 95 %, no program with a smaller epsilon would let it guess so well.
results = {}
for mistake in mistakes:
    attempt = partial(descent, mistake=mistake)
    results[mistake or "as it should be"] = audit(
        attempt, claimed=(1.0, 1e-5), curve="gaussian", random_state=0
    )
results["DPLogisticClassifier"] = audit(ours, random_state=0)
for name, result in results.items():
    verdict = "passed" if result.passed else "FAILED"
    print(f"{name:22s}{verdict}  epsilon at least {result.epsilon_lower:.2f}")

fig, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
for i, result in enumerate(results.values()):
    color = "#0B5FA5" if result.passed else "#C8553D"
    end = min(result.epsilon_lower, 100.0)
    ax.plot([0.1, end], [i, i], color=color, linewidth=2)
    ax.plot(end, i, ">", color=color)
    if end == 100.0:
        ax.annotate("no bound", (end, i), (8, -3), textcoords="offset points")
ax.axvline(1.0, color="#8A8F98", linestyle="--", linewidth=1)
ax.annotate("claimed", (1.0, -0.9), (4, 0), textcoords="offset points", fontsize=9)
ax.set_yticks(range(len(results)), results)
ax.set(xscale="log", xlim=(0.1, 300), ylim=(5.5, -1))
ax.set_xlabel("epsilon is at least")
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Each mistake is found. That the right programs pass does not prove them right: the
# bound is about half of their epsilon, since luck has to be allowed for, so a mistake
# of a few per cent is beneath notice. Such are found by reading, and by tests that ask
# for every sum how far a row can move it.
#
# **Try next:** a mistake of 40 %, with ``n_fits=16`` and then 100; ``print(result)``,
# which says how the bound came about; or ``audit`` of a private estimator of another
# library.
