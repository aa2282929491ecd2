"""
What regularisation does to a transport plan
============================================

Entropic transport is solved for a plan that is a little blurred. How much is a
question of the regularisation alone, and a small one need not cost much more.
"""

# %%
# Two clouds
# ----------
# A crescent has to move onto a ring of as many points. The cost is the squared
# distance.
import numpy as np

rng = np.random.default_rng(0)
n = 120
angle = np.pi * rng.random(n)
source = np.c_[np.cos(angle), np.sin(angle)] + 0.08 * rng.standard_normal((n, 2))
angle = 2.0 * np.pi * rng.random(n)
target = np.c_[2.6 + 0.7 * np.cos(angle), 0.4 + 0.7 * np.sin(angle)]
cost = ((source[:, None] - target) ** 2).sum(axis=2)

# %%
# From a blur to a map
# --------------------
# ``reg`` is in the units of the cost. The title of each picture counts the targets that
# a point is spread over. The certificate is the L1 error of both marginals.
from skopt2.transport import sinkhorn

plans = {
    reg: sinkhorn(None, None, cost, reg * cost.mean(), tol=1e-9)
    for reg in (0.1, 0.01, 0.0001)
}
for reg, result in plans.items():
    print(
        f"reg {reg:<7g} cost {result.cost:.4f}  gap {result.dual_gap:.1e}  "
        f"{result.certificate}, {result.n_iter} iterations of {result.solver}"
    )

# %%
import matplotlib.pyplot as plt

from skopt2.inspection import ConvergenceDisplay, TransportPlanDisplay

plt.rcParams.update({"font.size": 9})
fig, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
for ax, (reg, result) in zip(axes, plans.items(), strict=True):
    TransportPlanDisplay.from_result(
        result, source=source, target=target, name=f"reg {reg:g}", ax=ax
    )
plt.show()

# %%
# Sweeps or Newton steps
# ----------------------
# Scalings converge at a rate that gets worse as ``reg`` falls; Newton steps on the
# dual, whose Hessian becomes sparse at the same time, do not. ``solver="auto"`` goes
# from one to the other when their rate says so.
runs = {
    solver: sinkhorn(
        None, None, cost, 3e-3 * cost.mean(), solver=solver, tol=1e-9, max_iter=5000
    )
    for solver in ("sinkhorn", "newton")
}
fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
ax.set_xscale("log")
ConvergenceDisplay.from_results(runs, ax=ax)
plt.show()

# %%
# The steps of Newton's method are dearer, about as much as some dozens of sweeps, and
# the error of its first ones belongs to a larger regularisation, which it lowers on the
# way. :ref:`sphx_glr_auto_examples_transport_plot_sinkhorn_newton.py` looks for the
# border between the two.
#
# **Try next:** ``cost=PointCloud(source, target)``, which forms the costs when they are
# needed, and ``reg_marginal=0.1``, which leaves mass behind where it has far to go.
