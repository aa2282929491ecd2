"""
A stream in five systems of units
=================================

Sensors report a thousand rows a minute, and nobody agreed on units. One plant sends
metres and seconds, another micrometres and days. A model has to keep learning from
each, and there is no time to tune its step size for any.

:class:`~skopt2.linear_model.StreamingLinearRegressor` takes its steps in the metric of
the columns that it has seen, with sizes that it finds itself. Below the same stream
runs in five systems of units, whose columns differ by up to ten orders of magnitude.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import SGDRegressor

from skopt2.linear_model import StreamingLinearRegressor

rng = np.random.default_rng(0)
n_chunks, n_rows, n_features = 40, 250, 12
truth = np.zeros(n_features)
truth[:4] = [2.0, -1.5, 1.0, 0.5]


def measure(rows, noise=0.5):
    """Return what the sensors see and what follows from it."""
    X = rng.standard_normal((rows, n_features))
    X[:, 1] += 0.7 * X[:, 0]
    return X, 5.0 + X @ truth + noise * rng.standard_normal(rows)


chunks = [measure(n_rows) for _ in range(n_chunks)]
X_new, y_new = measure(5000, noise=0.0)

# %%
# Each stream sees a chunk once, and is then asked about new rows, without their noise.

spreads = (0, 1, 2, 3, 5)
units = [
    10.0 ** rng.uniform(-d, d, n_features) if d else np.ones(n_features)
    for d in spreads
]


def follow(model, unit):
    """Return the error after each chunk."""
    errors = []
    for X, y in chunks:
        model.partial_fit(X * unit, y)
        with np.errstate(all="ignore"):
            errors.append(0.5 * np.mean((model.predict(X_new * unit) - y_new) ** 2))
    return np.array(errors)


ours = [follow(StreamingLinearRegressor(alpha=0.0), unit) for unit in units]
theirs = [follow(SGDRegressor(penalty=None, random_state=0), unit) for unit in units]

# %%
# Stochastic gradient descent with the step size that it comes with is as fast where
# units are one. Where columns differ by a factor of a hundred it is slow, and where
# they differ by more it diverges. The five streams of this package are one line.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4.2), sharey=True, constrained_layout=True
)
seen = n_rows * np.arange(1, n_chunks + 1)
colors = plt.cm.viridis(np.linspace(0.0, 0.9, len(spreads)))
for axes, curves in ((left, ours), (right, theirs)):
    for k, (errors, color) in enumerate(zip(curves, colors, strict=True)):
        width = 11 - 2.2 * k if axes is left else 2
        shown = np.where(errors < 1e2, errors, np.nan)
        name = f"1e{2 * spreads[k]}" + ("" if errors[-1] < 1e2 else ": diverged")
        axes.loglog(seen, shown, color=color, lw=width, label=name)
    axes.set(xlabel="rows seen")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, title="units differ by up to", loc="lower left")
left.set(title="StreamingLinearRegressor", ylabel="error")
right.set(title="SGDRegressor, as it is")

# %%
# No held-out rows were needed to know how good the model is: ``online_loss_`` is the
# mean loss of all rows, each predicted before it was learnt from. Beside the noise it
# has the price of learning, which falls with the length of the stream.

stream = StreamingLinearRegressor(alpha=0.0)
for X, y in chunks:
    stream.partial_fit(X * units[-1], y)
print(f"loss of the noise  {0.5 * 0.5**2:.3f}")
print(f"progressive loss   {stream.online_loss_:.3f}")
print(f"spread of the five errors  {np.ptp([e[-1] for e in ours]):.0e}")
plt.show()

# %%
# **Try next:** ``step="sania"`` or ``"sps"``; ``penalty="l1"`` with an ``alpha`` that
# leaves few columns; or labels, with
# :class:`~skopt2.linear_model.StreamingLinearClassifier`.
