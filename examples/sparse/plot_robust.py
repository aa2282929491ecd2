"""
Outliers in the target, noise in the features
=============================================

One target value in ten is corrupted. Which loss and which penalty together still find
the features that matter?
"""

# %%
# Contaminated data
# -----------------
# 150 samples, 400 correlated features, of which 8 matter; a tenth of the noise is ten
# times larger.
import numpy as np

from skopt2.datasets import make_sparse_regression

X, y, coef = make_sparse_regression(
    150, 400, n_informative=8, rho=0.3, snr=8.0, family="contaminated", random_state=0
)

# %%
# Loss times penalty
# ------------------
# The squared loss weighs a residual by its square, so a few corrupted samples drag the
# fit. The Huber loss is linear beyond ``delta`` and the quantile loss everywhere: an
# outlier pulls with the same force however far away it lies. Their combination with a
# penalty is a choice of two words.
from skopt2.linear_model import sparse_path
from skopt2.losses import Huber

# The loss, and the smallest over the largest alpha.
losses = {
    "squared": ("squared", 0.03),
    "Huber": (Huber(delta=1.5), 0.03),
    "quantile": ("quantile", 0.4),
}
paths = {
    (name, penalty): sparse_path(
        X, y, loss=loss, penalty=penalty, alphas=25, eps=eps, tol=1e-4
    )
    for name, (loss, eps) in losses.items()
    for penalty in ("l1", "mcp")
}
for (name, penalty), path in paths.items():
    print(f"{name:9s}{penalty:4s}{max(path.certificates, key=lambda c: c.value)}")


def errors(path):
    """Distance to the true coefficients, relative, at each alpha of a path."""
    return np.linalg.norm(path.coefs - coef, axis=1) / np.linalg.norm(coef)


# %%
# The whole paths
# ---------------
# Error against model size; the dashed line is the true size. With the squared loss even
# the best model on the path misses the truth by half. A robust loss with the l1 penalty
# does better, but pays with bias for every feature it keeps out. A robust loss with MCP
# goes straight to the eight features and to their true weights.
import matplotlib.pyplot as plt

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
colors = {"squared": "#C8553D", "Huber": "#0B5FA5", "quantile": "#2F855A"}
for ax, penalty in zip(axes, ("l1", "mcp"), strict=True):
    for name, color in colors.items():
        path = paths[name, penalty]
        size, error = path.degrees_of_freedom, errors(path)
        ax.plot(size, error, "o-", color=color, markersize=3, label=name)
    ax.axvline(8, color="#8A8F98", linewidth=1, linestyle="--")
    ax.set_title(f"penalty {penalty!r}", loc="left")
    ax.set(xlabel="features in the model", ylim=(0, 1.05), xlim=(0, 60))
axes[0].set_ylabel("relative error of the coefficients")
axes[0].legend(frameon=False)
plt.show()

# %%
# Two models
# ----------
# The best of the squared loss and the best of the Huber loss, both under MCP. Rings are
# the truth.
from skopt2.inspection import SupportDisplay

fig, axes = plt.subplots(2, 1, figsize=(8, 5.6), sharey=True, layout="constrained")
for ax, name in zip(axes, ("squared", "Huber"), strict=True):
    path = paths[name, "mcp"]
    best = path.coefs[errors(path).argmin()]
    SupportDisplay.from_coef(best, coef_true=coef, name=name, layout="index", ax=ax)
axes[0].get_legend().remove()
plt.show()

# %%
# **Try next:** ``Huber(delta=...)`` from 0.5 to 5, or ``Quantile(0.9)`` to ask which
# features move the upper tail of the target instead of its middle.
