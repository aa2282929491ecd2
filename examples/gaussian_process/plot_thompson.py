"""
Thompson sampling: a hundred places to try at a time
====================================================

To maximise an expensive function with many evaluations at a time, draw functions of the
posterior, and evaluate at the maximiser of each. Places are then tried as often as they
are likely to be the best. It needs hundreds of draws at every step, each of which is
maximised, and so evaluated thousands of times: draws that are functions.
"""

# %%
# The function
# ------------
# Hartmann's function of six variables has six local maxima, the highest of 3.322, the
# next of 3.203. It is observed with noise.
import numpy as np

heights = np.array([1.0, 1.2, 3.0, 3.2])
widths = np.array(
    [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ]
)
centers = 1e-4 * np.array(
    [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ]
)


def hartmann(X):
    """Values (n,) at places (n, 6) of the unit cube."""
    distances = (widths * (X[:, None, :] - centers) ** 2).sum(axis=2)
    return np.exp(-distances) @ heights


# %%
# One step
# --------
# A process is fitted to all that is known; the noise of the measurements is, too. Each
# of a hundred draws is maximised over random places and places near the best known
# ones, and then near its own best one. ``paths(X)`` is one product with the kernel
# matrix for all draws. One of the variables matters little: its length scale grows to
# the bound.
import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from skopt2.gaussian_process import GaussianProcessRegressor

kernel = ConstantKernel(1.0) * Matern(np.full(6, 0.5), (0.05, 20.0), nu=2.5)
kernel = kernel + WhiteKernel(0.1**2, "fixed")
n_draws, n_rounds = 100, 8
warnings.simplefilter("ignore", ConvergenceWarning)


def near(X, width, rng):
    """Places at random around others, within the unit cube."""
    return np.clip(X + width * rng.standard_normal(X.shape), 0.0, 1.0)


def thompson_step(X, y, rng):
    """Maximisers of a hundred draws of the process given what is known."""
    model = GaussianProcessRegressor(kernel, optimizer_size=400, random_state=0)
    model.fit(X, y)
    paths = model.sample_paths(n_draws, random_state=rng)
    known = X[np.argsort(model.predict(X))[-20:]]
    places = [rng.random((2000, 6))]
    places += [near(np.repeat(known, 50, axis=0), w, rng) for w in (0.05, 0.2)]
    places = np.concatenate(places)
    best = places[paths(places).argmax(axis=0)]
    for width in (0.1, 0.05, 0.02):
        around = np.stack([best] + [near(best, width, rng) for _ in range(15)])
        values = paths(around.reshape(-1, 6)).reshape(16, n_draws, n_draws)
        own = np.einsum("kjj->kj", values)
        best = around[own.argmax(axis=0), np.arange(n_draws)]
    return best


# %%
# The search
# ----------
# Two hundred random places to start with, then eight rounds of a hundred, against as
# many random places. What counts is the value at the best place tried so far, without
# noise.


def search(thompson, seed):
    """Values at the best place so far, before and after each round."""
    rng = np.random.default_rng(seed)
    X = rng.random((200, 6))
    y = hartmann(X) + 0.1 * rng.standard_normal(len(X))
    reached = [hartmann(X).max()]
    for _ in range(n_rounds):
        new = rng.random((n_draws, 6))
        if thompson:
            new = thompson_step(X, y, rng)
        X = np.concatenate([X, new])
        y = np.concatenate([y, hartmann(new) + 0.1 * rng.standard_normal(len(new))])
        reached.append(hartmann(X).max())
    return reached


seeds = range(3)
curves = {
    "Thompson sampling": np.array([search(True, seed) for seed in seeds]),
    "random places": np.array([search(False, seed) for seed in seeds]),
}
for name, reached in curves.items():
    print(f"{name:<18} best after all: {reached[:, -1].round(3)} of 3.322")

# %%
# The curves that level off at about 0.12 have settled on the second highest maximum:
# draws of the posterior no longer doubt it.
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
evaluations = 200 + n_draws * np.arange(n_rounds + 1)
for name, reached in curves.items():
    regret = 3.32237 - reached
    (line,) = ax.semilogy(evaluations, regret.mean(axis=0), "o-", label=name)
    ax.semilogy(evaluations, regret.T, color=line.get_color(), lw=0.6, alpha=0.6)
ax.set(
    xlabel="evaluations",
    ylabel="distance to the maximum",
    title="A hundred evaluations at a time",
)
ax.legend()
plt.show()

# %%
# **Try next:** ``Matern(nu=1.5)``, whose draws are rougher, so that the search explores
# for longer; or more draws for each batch.
