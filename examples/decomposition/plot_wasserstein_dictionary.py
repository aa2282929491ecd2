"""
A dictionary of strokes
=======================

A nonnegative matrix factorisation compares pictures pixel by pixel: a stroke that is
one pixel further to the left has nothing in common with itself. A Wasserstein
dictionary pays by how far the ink has to move.
"""

# %%
# Two dictionaries of the same digits
# -----------------------------------
# Pictures of 8 x 8 pixels, each divided by its ink, as mixtures of 16 atoms.
# ``cost="grid"`` says that bins are pixels, and ``reg`` is in units of the mean squared
# distance between two of them.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF

from skopt2.decomposition import WassersteinDictionary

images, y = load_digits(return_X_y=True)
X = images / images.sum(axis=1, keepdims=True)
train, test = X[:600], X[600:750]

ours = WassersteinDictionary(16, reg=0.02, cost="grid", tol=4e-3, random_state=0)
ours.fit(train)
nmf = NMF(16, init="nndsvda", max_iter=1000, random_state=0).fit(train)
print(f"{ours.certificate_} after {ours.n_iter_} sweeps, {ours.stop_reason_}")

# %%
# What the atoms look like
# ------------------------
# Those of the Wasserstein loss are strokes that hang together, and their weights are
# shares of the ink. Those of NMF are smaller and sharper, and some are pixels that lie
# apart.
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})


def show(ax, ink):
    """Draw one picture."""
    ax.imshow(ink.reshape(8, 8), cmap="magma", vmin=0.0)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


fig, axes = plt.subplots(4, 8, figsize=(9, 4.8), layout="constrained")
for row, atoms in ((0, ours.components_), (2, nmf.components_)):
    order = np.argsort(atoms @ (np.arange(64) // 8) / atoms.sum(axis=1))
    for ax, atom in zip(axes[row : row + 2].ravel(), atoms[order], strict=True):
        show(ax, atom)
axes[0, 0].set_title("Wasserstein", loc="left")
axes[2, 0].set_title("NMF", loc="left")
plt.show()

# %%
# As features for a classifier
# ----------------------------
# Codes of NMF serve the nearest neighbours better on these pictures, which are centred:
# the entropy of the transport blurs what tells one digit from another.
from sklearn.neighbors import KNeighborsClassifier

for name, model in (("Wasserstein", ours), ("NMF", nmf)):
    neighbours = KNeighborsClassifier(5).fit(model.transform(train), y[:600])
    print(f"{name:12}: {neighbours.score(model.transform(test), y[600:750]):.3f}")

# %%
# How the fit went
# ----------------
# The objective never increases; the certificate is a bound on what another pass over
# one block could still gain, as a share of the mean cost.
history = ours.history_
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
left.semilogy(history["iteration"], history["objective"], color="C0")
left.set(xlabel="sweep", ylabel="objective")
right.semilogy(history["iteration"], history["certificate"], color="C1")
right.axhline(ours.tol, color="0.6", linewidth=0.8)
right.set(xlabel="sweep", ylabel="stationarity gap")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# **Try next:** ``reg=0.005``, sharper atoms for more time; or digits that were moved by
# a pixel or two, ``numpy.roll``, on which the two kinds of features change places.
