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

losses = {"squared": "squared", "Huber": Huber(delta=1.5)}
paths = {
    (loss_name, penalty): sparse_path(
        X, y, loss=loss, penalty=penalty, alphas=40, eps=0.03, tol=1e-5
    )
    for loss_name, loss in losses.items()
    for penalty in ("l1", "mcp")
}


def errors(path):
    """Distance to the true coefficients, relative, at each alpha of a path."""
    return np.linalg.norm(path.coefs - coef, axis=1) / np.linalg.norm(coef)


# %%
# The whole paths
# ---------------
# Error against model size.
import matplotlib.pyplot as plt

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
colors = {"squared": "#C8553D", "Huber": "#0B5FA5", "quantile": "#2F855A"}
for ax, penalty in zip(axes, ("l1", "mcp"), strict=True):
    for loss_name, color in colors.items():
        if loss_name not in losses:
            continue
        path = paths[loss_name, penalty]
        size, error = path.degrees_of_freedom, errors(path)
        ax.plot(size, error, "o-", color=color, markersize=3, label=loss_name)
    ax.axvline(8, color="#8A8F98", linewidth=1, linestyle="--")
    ax.set_title(f"penalty {penalty!r}", loc="left")
    ax.set(xlabel="features in the model", ylim=(0, 1.3), xlim=(0, 80))
axes[0].set_ylabel("relative error of the coefficients")
axes[0].legend(frameon=False)
plt.show()
