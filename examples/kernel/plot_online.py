"""
A classifier that learns while the data come in
===============================================

Rows arrive one by one. Each is predicted first and learnt afterwards, by one Newton
step in the space of a kernel. The model keeps only the rows that it needs.
"""

# %%
# Two spirals, row by row
# -----------------------
# ``partial_fit`` takes rows as they come, one or a thousand at a time, with the same
# result. A row joins the dictionary of centres, with a probability that is the larger
# the less the centres before represent it.
import numpy as np

from skopt2.kernel_machine import KernelNewtonClassifier

rng = np.random.default_rng(0)
n = 4000
turn = np.sqrt(rng.uniform(0.02, 1.0, n))
y = rng.integers(2, size=n)
angle = 3.5 * np.pi * turn + np.pi * y
X = 3.0 * turn[:, None] * np.c_[np.cos(angle), np.sin(angle)]
X += 0.11 * rng.standard_normal((n, 2))

side = np.linspace(-3.4, 3.4, 160)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
model = KernelNewtonClassifier(length_scale=0.45, dictionary_alpha=3.0, random_state=0)
stops, pictures, start = (60, 400, n), [], 0
for stop in stops:
    model.partial_fit(X[start:stop], y[start:stop], classes=[0, 1])
    p = model.predict_proba(grid)[:, 1].reshape(160, 160)
    pictures.append((p, model.centers_))
    start = stop
    print(f"{stop:4d} rows: {len(model.centers_):3d} of them in the dictionary")

# %%
# Rings are the dictionary, dots the latest rows, and the black line is where both
# classes are equally likely. With 400 rows the spirals are told apart; ten times as
# many sharpen the line, for less than four times the centres.
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})
fig, axes = plt.subplots(1, 3, figsize=(11.4, 4.0), layout="constrained")
for ax, stop, (p, centers) in zip(axes, stops, pictures, strict=True):
    ax.pcolormesh(side, side, p, cmap="RdBu", vmin=-0.15, vmax=1.15, shading="gouraud")
    ax.contour(side, side, p, levels=[0.5], colors="#1B1F24", linewidths=1.1)
    shown = slice(max(0, stop - 600), stop)
    colors = np.where(y[shown] == 1, "#08305A", "#6B140C")
    ax.scatter(*X[shown].T, s=5, c=colors, alpha=0.6, linewidths=0)
    ax.scatter(*centers.T, s=24, facecolors="none", edgecolors="white", linewidths=1.0)
    ax.set_title(f"{stop} rows, {len(centers)} centres")
    ax.set(xticks=[], yticks=[], aspect="equal", xlim=(-3.4, 3.4), ylim=(-3.4, 3.4))
plt.show()

# %%
# What a Newton step is worth
# ---------------------------
# A function is learnt from noisy values. The regret is the loss of the predictions less
# that of the function itself, which has the loss of the noise. Gradient steps in the
# same space have a rate to choose, and a centre in each row; these are the best two of
# eight choices. They leave a regret that grows like a root of the number of rows, or
# like that number; that of Newton steps hardly grows once the function is covered.
from skopt2.kernel_machine import KernelNewtonRegressor

n = 3000
X = rng.uniform(-2.0, 2.0, (n, 2))
truth = np.sin(3.0 * X[:, 0]) * np.cos(2.0 * X[:, 1])
y = truth + 0.2 * rng.standard_normal(n)
marks = np.unique(np.geomspace(1, n, 60).astype(int))
noise = np.cumsum(0.5 * (y - truth) ** 2)[marks - 1]

model = KernelNewtonRegressor(length_scale=0.7, fit_intercept=False, random_state=0)
newton, sizes, start = [], [], 0
for stop in marks:
    model.partial_fit(X[start:stop], y[start:stop])
    newton.append(model.cumulative_loss_)
    sizes.append(len(model.centers_))
    start = stop
K = model.kernel_(X)


def gradient_steps(rate, decay):
    """Return the total losses of predictions before their rows are learnt."""
    a, losses = np.zeros(n), np.empty(n)
    for t in range(n):
        error = K[t, :t] @ a[:t] - y[t]
        losses[t] = 0.5 * error**2
        a[t] = -rate * error / (t + 1.0) ** decay
    return np.cumsum(losses)[marks - 1]


rates = (0.125, 0.25, 0.5, 1.0)
constant = min((gradient_steps(rate, 0.0) for rate in rates), key=lambda x: x[-1])
falling = min((gradient_steps(4 * rate, 0.5) for rate in rates), key=lambda x: x[-1])

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
lines = (
    ("gradient steps, falling rate", "#C8553D", "--", falling),
    ("gradient steps, constant rate", "#C8553D", "-", constant),
    ("Newton steps", "#0B5FA5", "-", newton),
)
for name, color, style, total in lines:
    left.plot(marks, total - noise, style, color=color, label=name)
    print(f"{name:30s} regret after {n} rows: {total[-1] - noise[-1]:.0f}")
left.set(xlabel="rows", ylabel="regret", ylim=(0, None))
left.legend(frameon=False, labelcolor="linecolor")
right.plot(marks, marks, color="#C8553D", label="gradient steps")
right.plot(marks, sizes, color="#0B5FA5", label="Newton steps")
right.set(xlabel="rows", ylabel="centres", xscale="log", yscale="log")
right.legend(frameon=False, labelcolor="linecolor")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#D3D7DC", linewidth=0.6)
plt.show()

# %%
# The advantage is one of curved losses. On the spirals, where hardly a row is in doubt,
# the logistic loss is flat, and gradient steps of a well chosen large rate do as well.
#
# **Try next:** ``oversampling=0.3`` for a smaller dictionary, or
# ``loss="squared_hinge"`` for the spirals.
