"""
Why not the lasso? Two paths, side by side
==========================================

The lasso buys sparsity with bias: whatever keeps the noise out also shrinks the signal.
The path of a nonconvex penalty shows what it looks like without.
"""

# %%
# Five features out of five hundred
# ---------------------------------
# Correlated features, fewer samples than features, and a known truth.
import numpy as np

from skopt2.datasets import make_sparse_regression
from skopt2.linear_model import sparse_path

X, y, coef = make_sparse_regression(
    200, 500, n_informative=5, rho=0.5, snr=4.0, random_state=0
)
informative = np.flatnonzero(coef)
paths = {
    "lasso": sparse_path(X, y, alphas=80, eps=0.03),
    "MCP": sparse_path(X, y, penalty="mcp", alphas=80, eps=0.03),
}
for name, path in paths.items():
    print(f"{name:6s} worst of 80: {max(path.certificates, key=lambda c: c.value)}")

# %%
# Each solution of a path starts from the one before and has a certificate of its own.
#
# The paths
# ---------
# Colors mark the five features that generated the data and dotted lines their true
# coefficients; the other 495 are grey. Below is the distance to the truth, whose
# smallest value is marked in both panels.
import matplotlib.pyplot as plt

from skopt2.inspection import PathDisplay

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, axes = plt.subplots(
    2, 2, figsize=(10, 6.2), height_ratios=(2.4, 1), sharex=True, layout="constrained"
)
for (name, path), ax, below in zip(paths.items(), *axes, strict=True):
    error = np.linalg.norm(path.coefs - coef, axis=1) / np.linalg.norm(coef)
    best = np.argmin(error)
    wrong = np.count_nonzero(np.delete(path.coefs[best], informative))
    ax.set_ylim(-2.1, 2.1)
    display = PathDisplay.from_path(path, n_labels=5, alpha=path.alphas[best], ax=ax)
    ax.set_title(f"{name}: 5 right and {wrong} wrong features", loc="left")
    for j in informative:
        color = display.lines_[f"x{j}"].get_color()
        ax.axhline(coef[j], color=color, linewidth=1.0, linestyle=":")
    ax.set_xlabel("")
    below.plot(path.alphas, error, color="#2B2F36")
    below.axvline(path.alphas[best], color="#8A8F98", linewidth=1, linestyle="--")
    below.annotate(
        f"{error[best]:.2f}",
        (path.alphas[best], error[best]),
        (4, 4),
        textcoords="offset points",
    )
    below.set(xlabel="alpha", ylabel="relative error", ylim=(0, 1.05))
plt.show()

# %%
# The lasso has to choose. Where the noise is still out, at large ``alpha``, its five
# coefficients are far below their dotted lines; where they come close to them, dozens
# of noise features are in. MCP stops penalising a coefficient once it exceeds ``gamma *
# alpha``: the five settle at the truth, up to the noise in the data, and stay there
# while ``alpha`` falls by a factor of three. Past that range its path becomes ragged,
# because the problem then has many local minima: choose ``alpha`` from the smooth part,
# which is where cross-validation and the information criteria put it.
#
# **Try next:** ``penalty=MCP(gamma=1.5)`` and ``MCP(gamma=20)`` from
# :mod:`skopt2.penalties`, which move the right picture towards best-subset selection
# and towards the left picture.
