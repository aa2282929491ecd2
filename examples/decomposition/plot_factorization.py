"""
Parts of digits
===============

A nonnegative matrix factorisation adds parts and never subtracts them. The same
estimator also makes the use of parts rare, and says how far it is from a stationary
point, which a number of iterations does not.
"""

# %%
# Parts, few or many for each picture
# -----------------------------------
# Sixteen components of pictures of 8 x 8 pixels. With ``bounded=True`` components stay
# in the unit ball, so that a penalty of the codes alone makes sense: MCP sets small
# codes to zero and leaves large ones as they are.
import numpy as np
from sklearn.datasets import load_digits

from skopt2.decomposition import MatrixFactorization

X = load_digits().data / 16.0
plain = MatrixFactorization(16, bounded=True, random_state=0).fit(X)
sparse = MatrixFactorization(
    16, bounded=True, penalty="mcp", alpha_W=0.003, alpha_H=0.0, random_state=0
).fit(X)
for name, model in (("plain", plain), ("sparse", sparse)):
    used = np.mean(model.transform(X) > 0)
    left = model.reconstruction_err_**2 / np.sum(X * X)
    print(f"{name}: {used:.0%} of the codes, {left:.1%} left; {model.certificate_}")

# %%
# With few parts for each picture, parts become larger: whole strokes, and not pixels
# that many strokes share.
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})
fig, axes = plt.subplots(4, 8, figsize=(9, 4.8), layout="constrained")
for row, model in ((0, plain), (2, sparse)):
    order = np.argsort(-model.transform(X).sum(axis=0))
    for ax, part in zip(
        axes[row : row + 2].ravel(), model.components_[order], strict=True
    ):
        ax.imshow(part.reshape(8, 8), cmap="magma", vmin=0.0)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
axes[0, 0].set_title("nonnegative", loc="left")
axes[2, 0].set_title("and few for each picture", loc="left")
plt.show()

# %%
# Against time
# ------------
# ``history_`` holds the objective after every sweep. For scikit-learn's coordinate
# descent the same figure comes from fits with more and more iterations; both start from
# the same random factors, and there are 30 components.
import time
import warnings

from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

warnings.simplefilter("ignore", ConvergenceWarning)
rng = np.random.default_rng(0)
W, H = rng.random((len(X), 30)), rng.random((30, 64))
ours = MatrixFactorization(30, init="custom", tol=1e-5).fit(X, W=W, H=H)
total = np.sum(X * X)
error = 2.0 * X.size * ours.history_["objective"] / total

seconds, errors = [], []
# The first fit of all warms up and is left out.
for n_iter in (1, 1, 2, 5, 10, 20, 40, 80, 160):
    start = time.perf_counter()
    model = NMF(30, init="custom", max_iter=n_iter, tol=0.0)
    model.fit(X, W=W.copy(), H=H.copy())
    seconds.append(time.perf_counter() - start)
    errors.append(model.reconstruction_err_**2 / total)
seconds, errors = seconds[1:], errors[1:]

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.loglog(ours.history_["time"], error, label="MatrixFactorization")
left.loglog(seconds, errors, "o-", ms=4, label="scikit-learn, cd")
left.set(xlabel="seconds", ylabel="share of the squared norm left")
left.legend(frameon=False)
right.semilogy(ours.history_["certificate"])
right.axhline(ours.tol, color="0.6", lw=1, ls="--")
right.set(xlabel="sweep", ylabel="certificate")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
print(f"left: {error[-1]:.2%} here, {errors[-1]:.2%} there")

# %%
# **Try next:** ``penalty="scad"``, or ``alpha_W`` ten times as large, and count the
# parts that a digit still uses; ``nonnegative="codes"``, with parts that may be dark.
