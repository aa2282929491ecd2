"""
A neural network without seeds
==============================

The training of a network with one hidden layer of ReLU neurons and weight decay is a
convex program in disguise. Solved as such it has one answer, with a proof of how good
it is, and attacks on the inputs can be part of it.
"""

# %%
# One answer
# ----------
# 30 points on a line, and an objective: mean squared error and weight decay, over
# networks of any width. ``n_gates="all"`` enumerates the 60 ways in which a neuron can
# be active on some of the points and not on others, which makes the optimum that of all
# networks. Beside it, L-BFGS on the same objective from 40 random starts, with 12
# neurons each.
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

from skopt2.neural_network import ConvexReLUClassifier, ConvexReLURegressor

rng = np.random.default_rng(4)
x = np.sort(rng.uniform(-2.0, 2.0, 30))
y = np.sin(3.0 * x) * np.exp(-0.2 * x**2) + 0.08 * rng.standard_normal(30)
alpha = 3e-4
model = ConvexReLURegressor(alpha=alpha, n_gates="all", tol=1e-3, max_iter=10_000)
model.fit(x[:, None], y)
bound = model.objective_ - model.dual_gap_
print(f"{model.n_hidden_} neurons, objective {model.objective_:.5f}")
print(f"no network is below {bound:.5f}: {model.certificate_}")

width, rows = 12, np.c_[x, np.ones(30)]


def objective(parameters):
    """Return the training objective of a network, and its gradient."""
    W, a = parameters[: 2 * width].reshape(width, 2), parameters[2 * width : -1]
    hidden = np.maximum(rows @ W.T, 0.0)
    error = hidden @ a + parameters[-1] - y
    back = error[:, None] * a * (hidden > 0.0) / 30
    slope = np.r_[(back.T @ rows).ravel(), hidden.T @ error / 30, error.mean()]
    slope[:-1] += alpha * parameters[:-1]
    decay = parameters[:-1] @ parameters[:-1]
    return 0.5 * np.mean(error**2) + 0.5 * alpha * decay, slope


def descend(seed):
    """Return where L-BFGS ends from random weights."""
    start = np.random.default_rng(seed).standard_normal(3 * width + 1)
    return minimize(objective, start, jac=True, method="L-BFGS-B")


runs = [descend(seed) for seed in range(40)]
reached = np.array([run.fun for run in runs])
close = np.mean(reached < 1.01 * model.objective_)
print(f"descent: best {reached.min():.5f}, median {np.median(reached):.5f}")
print(f"{100 * close:.0f} % of the seeds within 1 % of the optimum")

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
blue, red, grey = "#0B5FA5", "#C8553D", "#9AA2AB"
fine = np.linspace(-2.2, 2.2, 400)
figure, axes = plt.subplots(
    1, 2, figsize=(8, 3.2), width_ratios=(2, 1), layout="constrained"
)
for run in runs:
    W, a = run.x[: 2 * width].reshape(width, 2), run.x[2 * width : -1]
    curve = np.maximum(np.c_[fine, np.ones(400)] @ W.T, 0.0) @ a + run.x[-1]
    axes[0].plot(fine, curve, color=red, alpha=0.25, lw=0.8)
axes[0].plot([], [], color=red, label="descent, 40 seeds")
axes[0].plot(fine, model.predict(fine[:, None]), color=blue, lw=2, label="convex")
axes[0].plot(x, y, "o", color="black", ms=4)
axes[0].set(xlabel="x", ylabel="y")
axes[0].legend(frameon=False)
spread = np.random.default_rng(0).uniform(-0.25, 0.25, 40)
axes[1].plot(spread, reached, "o", color=red, ms=4, alpha=0.7)
axes[1].axhline(model.objective_, color=blue, lw=2)
axes[1].axhspan(1e-3, bound, color=grey, alpha=0.3, lw=0)
axes[1].text(0.0, 0.78 * bound, "no network is here", ha="center", va="center")
axes[1].set(
    xticks=[],
    xlim=(-0.5, 0.5),
    yscale="log",
    ylim=(0.65 * bound, 1.1 * reached.max()),
    ylabel="training objective",
)
plt.show()

# %%
# Seeds end in many places, and few of them at the optimum. The grey region is not a
# matter of trying harder: the dual bound says that there is no network in it.
#
# Attacks
# -------
# With ``robust=0.2`` each sample counts at the worst point of a square around it. The
# network must leave the squares on their own side, as far as that can be done.
from sklearn.datasets import make_moons

X, labels = make_moons(90, noise=0.12, random_state=3)
radius = 0.2
options = {"alpha": 1e-3, "n_gates": 30, "tol": 1e-2, "random_state": 0}
plain = ConvexReLUClassifier("squared_hinge", **options).fit(X, labels)
robust = ConvexReLUClassifier("squared_hinge", robust=radius, **options).fit(X, labels)


def safe(network, points, classes):
    """Return which samples keep their class on a grid of moves."""
    moves = np.linspace(-radius, radius, 7)
    grid = np.stack(np.meshgrid(moves, moves), axis=-1).reshape(-1, 2)
    return np.all([network.predict(points + g) == classes for g in grid], axis=0)


X_test, labels_test = make_moons(500, noise=0.12, random_state=5)
u, v = np.meshgrid(np.linspace(-1.6, 2.6, 150), np.linspace(-1.1, 1.6, 120))
figure, axes = plt.subplots(1, 2, figsize=(8, 3.1), sharey=True, layout="constrained")
for ax, network, name in zip(axes, (plain, robust), ("Plain", "Robust"), strict=True):
    score = network.decision_function(np.c_[u.ravel(), v.ravel()]).reshape(u.shape)
    ax.contourf(u, v, np.clip(score, -2, 2), 20, cmap="RdBu", alpha=0.5)
    ax.contour(u, v, score, [0.0], colors="black", linewidths=1.2)
    kept = safe(network, X, labels)
    for point, label, good in zip(X, labels, kept, strict=True):
        corner = point - radius
        edge = blue if label else red
        ax.add_patch(
            plt.Rectangle(
                corner,
                2 * radius,
                2 * radius,
                fill=not good,
                fc=edge,
                ec=edge,
                lw=0.5,
                alpha=0.25,
            )
        )
    ax.scatter(*X.T, c=np.where(labels, blue, red), s=8)
    right = np.mean(network.predict(X_test) == labels_test)
    held = np.mean(safe(network, X_test, labels_test))
    ax.set_title(
        f"{name}: {100 * right:.0f} % right, {100 * held:.0f} % under attack",
        fontsize=9,
    )
    ax.set(xlim=(-1.6, 2.6), ylim=(-1.1, 1.6))
    ax.set_aspect("equal")
plt.show()

# %%
# The filled squares hold a point that is classified wrongly. On new samples, the robust
# network is right less often and keeps its class more often.
#
# **Try next:** ``init="dual"``, which looks for better patterns than chance; or three
# times the radius, until being robust costs more than it is worth.
