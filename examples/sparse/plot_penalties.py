"""
The penalty zoo
===============

What each penalty charges for a coefficient, and what it does to one: its value and its
thresholding function.
"""

# %%
# One coefficient, one observation
# --------------------------------
# Every penalty of :mod:`skopt2.penalties` is an object with a ``value`` and a ``prox``.
# The prox answers the smallest problem there is: given an observation ``z`` of a single
# coefficient, the minimiser of ``(v - z)**2 / 2 + penalty(v)``. With orthogonal
# features that is the whole fit, so it shows what a penalty does to small and to large
# coefficients.
import numpy as np

from skopt2.penalties import L0, L1, MCP, SCAD, Box, ElasticNet, LogSum, Lq

# At these levels each of them (but the box) drops what is below 1.
zoo = {
    "l1: the lasso": (L1(), 1.0),
    "elastic net": (ElasticNet(l1_ratio=0.5), 2.0),
    "MCP, gamma 3": (MCP(gamma=3.0), 1.0),
    "SCAD, gamma 3.7": (SCAD(gamma=3.7), 1.0),
    "log-sum, epsilon 1": (LogSum(epsilon=1.0), 1.0),
    "l 2/3": (Lq(q=2 / 3), 1.5 * 0.5 ** (4 / 3)),
    "l 1/2": (Lq(q=0.5), (1 / 1.5) ** 1.5),
    "l0: a count": (L0(), 0.5),
    "box [-0.5, 2]": (Box(-0.5, 2.0), 1.0),
}

# %%
# Value and threshold of each
# ---------------------------
# Grey area: what a coefficient of this size is charged. Line: the prox, which is the
# coefficient that survives from an observation. Dotted: the observation itself, so that
# the gap between line and dots is the bias.
import matplotlib.pyplot as plt

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, axes = plt.subplots(
    3, 3, figsize=(9, 8.2), sharex=True, sharey=True, layout="constrained"
)
z = np.linspace(-4, 4, 1601)
for (name, (penalty, level)), ax in zip(zoo.items(), axes.flat, strict=True):
    lam = np.full_like(z, level)
    charge = np.array([penalty.value(z[[j]], lam[[j]]) for j in range(z.size)])
    kept = penalty.prox(z, 1.0, lam)
    # A jump is a jump, not a steep line.
    kept[1:][np.abs(np.diff(kept)) > 0.1] = np.nan
    ax.fill_between(z, 0.0, np.minimum(charge, 4.0), color="#E4E7EB", linewidth=0)
    ax.plot(z, z, ":", color="#8A8F98", linewidth=1.2)
    ax.plot(z, kept, color="#0B5FA5", linewidth=2.2)
    ax.set_title(name, loc="left")
    ax.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
for ax in axes[-1]:
    ax.set_xlabel("observation, or coefficient charged")
for ax in axes[:, 0]:
    ax.set_ylabel("prox, or charge")
plt.show()

# %%
# The lasso subtracts the same amount from everything, the elastic net shrinks the large
# coefficients even more. MCP and SCAD leave alone what is large and are continuous, so
# that small changes of the data change the fit little; the smaller ``gamma``, the
# steeper the way from "dropped" to "left alone". The l_q penalties jump, and the count
# jumps highest: it keeps or drops, nothing in between. The box only bounds.
#
# What the jumps cost: a convex problem has one minimum and a duality gap; the more a
# penalty bends, the more local minima its problem has.
#
# **Try next:** ``MCP(gamma=1.1)`` and ``MCP(gamma=30)``, which look like the count and
# like the lasso, or wrap any of them in ``Positive(...)`` for coefficients that may not
# be negative.
