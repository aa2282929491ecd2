"""
Three solvers on one problem, timed by the certificate
======================================================

A bare iteration count says nothing about an answer. The certificate does, and makes
algorithms comparable: how close to optimal, after how many seconds?
"""

# %%
# A hard design
# -------------
# Neighboring features have correlation 0.9, and hundreds of the 3000 are in the model.
from sklearn.base import clone

from skopt2.datasets import make_sparse_regression
from skopt2.linear_model import SparseRegressor

X, y, coef = make_sparse_regression(
    600, 3000, n_informative=50, rho=0.9, snr=5.0, random_state=0
)
solvers = {"newton": "newton", "proximal gradient": "proxgrad", "ag": "ag"}

# The first fit of a process touches the memory and wakes up the linear algebra.
SparseRegressor(alpha=1.0).fit(X, y)


def fit(penalty, alpha):
    """Fit with every solver, to a tighter tolerance than usual."""
    model = SparseRegressor(penalty=penalty, alpha=alpha, tol=1e-9)
    return {
        name: clone(model).set_params(solver=solver).fit(X, y)
        for name, solver in solvers.items()
    }


# %%
# Convex: one minimum, three ways
# -------------------------------
# With the l1 penalty the certificate is the duality gap. All three have to end at the
# same objective, and do.
lasso = fit("l1", alpha=0.1)
for name, model in lasso.items():
    print(f"{name:18s} objective {model.objective_:.9f}  {model.certificate_}")

# %%
# Not convex: several minima
# --------------------------
# With MCP the certificate is the violation of the optimality conditions. Each solver
# satisfies them, but not at the same point: the objective tells which one found the
# better minimum, here and only here.
mcp = fit("mcp", alpha=0.2)
for name, model in mcp.items():
    print(f"{name:18s} objective {model.objective_:.9f}  {model.certificate_}")

# %%
# Seconds
# -------
# Every dot is a check. All three approach the level of the penalty from above and work
# on the few features that matter at a time, which is the flat part. The drop at the end
# is the final level: ``newton`` solves for all active coefficients at once, proximal
# gradient does so after it has found which ones are active, and ``ag``, the accelerated
# gradient method with optimal damping, gets there by gradients alone.
import matplotlib.pyplot as plt

from skopt2.inspection import ConvergenceDisplay

plt.rcParams.update({"font.size": 9})
fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, fits, name in zip(axes, (lasso, mcp), ("lasso", "MCP"), strict=True):
    ConvergenceDisplay.from_estimators(fits, x="seconds", ax=ax)
    ax.set_title(name, loc="left")
plt.show()

# %%
# ``solver="auto"`` takes Newton for both. On a GPU, and for penalties in which zero is
# always stationary (``"l0"``, ``"l_half"``), the methods that only need products with
# ``X`` come into their own.
#
# **Try next:** ``tol=1e-3``: where does the order of the three change?
