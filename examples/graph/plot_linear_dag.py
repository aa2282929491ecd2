"""
What depends on what
====================

A graph with arrows says which measurement is made from which others. It can be learnt
from data without a single intervention, as far as the noise tells. Here 16 made-up
sensors of a plant feed each other along some thirty arrows, and each has its own noise.
"""

# %%
# A plant that nobody drew
# ------------------------
# Sensors are numbered from upstream to downstream, which no method is told: their
# columns are shuffled.
import numpy as np

from skopt2.structure_learning import LinearDAG, structural_hamming_distance

rng = np.random.default_rng(3)
d, n = 16, 600
upper = np.triu(rng.random((d, d)) < 0.35, 1)
W = upper * rng.uniform(0.5, 1.5, (d, d)) * rng.choice([-1, 1], (d, d))
std = rng.uniform(0.5, 2.0, d)
X = np.linalg.solve((np.eye(d) - W).T, (rng.normal(size=(n, d)) * std).T).T
columns = rng.permutation(d)

model = LinearDAG("nv", random_state=0).fit(X[:, columns])
print(f"{model.certificate_}: no sensor gains at another place")
found = np.zeros((d, d))
found[np.ix_(columns, columns)] = model.adjacency_
wrong = structural_hamming_distance(found, W)
print(f"{np.count_nonzero(W)} arrows, {model.n_edges_} found, {wrong} wrong")

# %%
# Arrows from row to column: upstream to downstream is above the diagonal.
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})
graphs = {"plant": W, "LinearDAG": found}
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.2), layout="constrained")
fig.get_layout_engine().set(w_pad=0.12)
for ax, (name, weights) in zip(axes, graphs.items(), strict=False):
    picture = ax.imshow(weights, cmap="RdBu_r", vmin=-1.5, vmax=1.5)
    ax.set(title=name, xlabel="child", ylabel="parent")
    i, j = np.nonzero((weights != 0) & (W == 0))
    ax.plot(j, i, "x", color="k", markersize=5)
fig.colorbar(picture, ax=axes[1], label="weight", shrink=0.8)
axes[2].plot([0.4, 2.1], [0.4, 2.1], color="0.7")
noise = np.empty(d)
noise[columns] = model.noise_std_
axes[2].plot(std, noise, "o")
axes[2].set(xlabel="noise of the sensor", ylabel="estimate", aspect="equal")
axes[2].set_title("noise")
plt.show()

# %%
# How much data it takes
# ----------------------
# Wrong arrows against the number of rows, means over three plants. With equal noise,
# which ``"ev"`` takes for granted, variances give the order away and few rows are
# enough; with unequal noise only the arrows that are missing tell. Under ``"nv"`` units
# do not count, under ``"ev"`` they are all that counts: standardise, and the order is
# gone.


def plant(seed, equal):
    """Return the weights and 3000 rows of a plant."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((10, 10)) < 0.4, 1)
    W = upper * rng.uniform(0.5, 1.5, (10, 10)) * rng.choice([-1, 1], (10, 10))
    std = 1.0 if equal else rng.uniform(0.5, 2.0, 10)
    noise = rng.normal(size=(3000, 10)) * std
    return W, np.linalg.solve((np.eye(10) - W).T, noise.T).T


def wrong_arrows(n, equal, noise, unit):
    """Return the mean share of wrong arrows."""
    shares = []
    for seed in range(3):
        W, X = plant(seed, equal)
        X = X[:n] / X[:n].std(axis=0) if unit else X[:n]
        V = LinearDAG(noise, random_state=0).fit(X).adjacency_
        shares.append(structural_hamming_distance(V, W) / np.count_nonzero(W))
    return np.mean(shares)


sizes = (50, 200, 700, 3000)
fig, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for ax, equal in zip(axes, (True, False), strict=True):
    for noise, unit, style in (
        ("ev", False, "C0o-"),
        ("ev", True, "C0o:"),
        ("nv", False, "C1s-"),
        ("nv", True, "C1s:"),
    ):
        shares = [wrong_arrows(n, equal, noise, unit) for n in sizes]
        name = f'"{noise}", standardised' if unit else f'"{noise}"'
        ax.semilogx(sizes, shares, style, label=name)
    ax.set(title="equal noise" if equal else "unequal noise", xlabel="rows")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("wrong arrows, share")
axes[1].legend(frameon=False)
plt.show()

# %%
# **Try next:** ``solver="colide"``, the continuous path of the paper, and its time; or
# ``forbidden``, for arrows that cannot be because one thing comes before the other.
