"""
Sinkhorn or Newton: which one wins when
=======================================

Sinkhorn's sweeps are cheap and their number explodes as the regularisation falls.
Newton steps are dear and their number hardly changes. Where is the border, and does
``solver="auto"`` find it?
"""

# %%
# Two pairs of clouds
# -------------------
# 500 points against 500, uniform in a square and in a cube of ten dimensions. The cost
# is the squared distance, divided by the largest, so that ``reg`` is a share of it.
import numpy as np

rng = np.random.default_rng(0)
costs = {}
for d in (2, 10):
    X, Y = rng.random((500, d)), rng.random((500, d))
    cost = ((X[:, None] - Y) ** 2).sum(axis=2)
    costs[f"{d}-D"] = cost / cost.max()
regs = (1e-2, 1e-3, 1e-4, 1e-5)
tol, max_iter = 1e-9, 5000

# %%
# The loop of the textbooks
# -------------------------
# Sinkhorn's algorithm in its usual form is five lines, here with the error that skopt2
# reports: the L1 distance of both marginals from the masses.


def textbook(cost, reg):
    """Scale the kernel until its marginals fit, or there is nothing left of it."""
    mass, history = 1.0 / len(cost), {"iteration": [], "certificate": []}
    K, u, v = np.exp(-cost / reg), None, np.ones(len(cost))
    for sweep in range(max_iter + 1):
        Kv = K @ v
        if sweep and sweep % 10 == 0:
            history["iteration"].append(sweep)
            history["certificate"].append(np.abs(u * Kv - mass).sum())
            if history["certificate"][-1] <= tol:
                break
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            u = mass / Kv
            v = mass / (K.T @ u)
        if not (np.isfinite(u).all() and np.isfinite(v).all()):
            return None
    return history


# %%
# Every solver on every problem
# -----------------------------
# ``solver="sinkhorn"`` sweeps too, with each step over-relaxed as far as the observed
# rate allows. A run that ends at ``max_iter`` warns; here that is part of the picture.
# The time is that of the processor, the smallest of up to three runs.
import time
import warnings

from sklearn.exceptions import ConvergenceWarning

from skopt2.transport import sinkhorn

warnings.simplefilter("ignore", ConvergenceWarning)


def timed(solve):
    """Return what a function returns and its seconds, the smallest of three runs."""
    seconds = []
    while len(seconds) < 3 and sum(seconds) < 0.2:
        start = time.process_time()
        found = solve()
        seconds.append(time.process_time() - start)
    return found, min(seconds)


solvers = ("sinkhorn", "newton", "auto")
fits, seconds = {}, {}
for name, cost in costs.items():
    for reg in regs:
        case = name, reg
        fits[case] = {}
        history, used = timed(lambda c=cost, r=reg: textbook(c, r))
        fits[case]["textbook"], seconds[(*case, "textbook")] = history, used
        for solver in solvers:
            options = {"solver": solver, "tol": tol, "max_iter": max_iter}
            fits[case][solver], seconds[(*case, solver)] = timed(
                lambda c=cost, r=reg, o=options: sinkhorn(None, None, c, r, **o)
            )
        words = "  ".join(f"{s} {fits[case][s].marginal_error:.0e}" for s in solvers)
        print(f"{name:4s} reg {reg:<6g} {words}, by {fits[case]['auto'].solver}")

# %%
# The error against the steps
# ---------------------------
# Sweeps and Newton steps on one logarithmic axis. Dotted stretches belong to the larger
# regularisations along which Newton's method approaches the last one. Grey is the loop
# of the textbooks, where it has numbers to work with: for small ``reg`` its kernel
# vanishes, or its scalings leave the range of the floats. skopt2 scales the plan itself
# and does not feel that.
import matplotlib.pyplot as plt

from skopt2.inspection import ConvergenceDisplay

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
grey = "#8A8F98"
fig, axes = plt.subplots(
    2, 4, figsize=(12, 5.8), sharex=True, sharey=True, layout="constrained"
)
for ax, ((name, reg), found) in zip(axes.flat, fits.items(), strict=True):
    ax.set(xscale="log", xlim=(8, 2e4), ylim=(1e-15, 10))
    if found["textbook"]:
        history = found["textbook"]
        ax.plot(history["iteration"], history["certificate"], color=grey)
    ConvergenceDisplay.from_results({s: found[s] for s in solvers}, ax=ax, marker="")
    failed = "" if found["textbook"] else "\ntextbook: not a number"
    ax.set_title(f"{name}, reg {reg:g}{failed}", loc="left")
    ax.set(xlabel="", ylabel="")
fig.supxlabel("sweeps or steps, dotted at a larger reg")
fig.supylabel("marginal error")
plt.show()

# %%
# The seconds against the regularisation
# --------------------------------------
# Smaller ones are on the left. The border is where Newton's line crosses that of the
# sweeps: at a larger ``reg`` in ten dimensions, where all points are far apart and the
# rate of the sweeps breaks down earlier. Rings are runs that ``max_iter`` ended.
colors = {
    "textbook": grey,
    "sinkhorn": "#0B5FA5",
    "newton": "#C8553D",
    "auto": "#2F855A",
}
fig, axes = plt.subplots(
    1, 2, figsize=(9.4, 3.8), sharex=True, sharey=True, layout="constrained"
)
for ax, name in zip(axes, costs, strict=True):
    for solver, color in colors.items():
        runs = [fits[name, reg][solver] for reg in regs]
        histories = [getattr(run, "history", run) for run in runs]
        known = [k for k, history in enumerate(histories) if history]
        last = np.array([histories[k]["certificate"][-1] for k in known])
        used = np.array([seconds[name, regs[k], solver] for k in known])
        where = np.array(regs)[known]
        ax.loglog(where, used, color=color, linewidth=1.8, label=solver)
        ended = last <= tol
        ax.loglog(where[ended], used[ended], "o", color=color, markersize=4)
        ax.loglog(where[~ended], used[~ended], "o", color=color, mfc="white")
    ax.set_title(name, loc="left")
    ax.set_xlabel("reg")
ticks = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
axes[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
axes[0].yaxis.set_minor_formatter("")
axes[0].set_ylabel(f"seconds to a marginal error of {tol:g}")
axes[1].legend(frameon=False, labelcolor="linecolor")
plt.show()

# %%
# Large regularisations belong to the sweeps, small ones to Newton. Over-relaxation
# moves the border: at ``reg`` 0.001 in two dimensions it takes a tenth of the sweeps.
# ``solver="auto"`` begins with sweeps, compares what their rate promises with the price
# of a Newton finish, and pays for not knowing by a few dozens of sweeps.
#
# **Try next:** ``tol=1e-3``. Sweeps need few steps to a rough plan: how far does the
# border move?
