"""
A table with holes, and how far from the best it was filled
===========================================================

Ratings, sensors, questionnaires: most entries of a table are missing, and rows resemble
each other in few ways. ``MatrixCompleter`` fills the holes by a matrix of low rank. It
is an imputer of scikit-learn, and says how far from the best it can be.
"""

# %%
# A picture of which three pixels in five are lost
# ------------------------------------------------
# The default bounds no rank: it charges for the nuclear norm, and takes the level that
# predicts held-out pixels best. That problem is convex, so the duality gap bounds what
# any other matrix could gain.
import warnings

import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.exceptions import ConvergenceWarning

from skopt2.decomposition import MatrixCompleter

picture = load_sample_image("china.jpg")[70:210, 170:390].mean(axis=2) / 255.0
rng = np.random.default_rng(0)
holes = np.where(rng.random(picture.shape) < 0.6, np.nan, picture)
model = MatrixCompleter(random_state=0).fit(holes)
print(model.certificate_, f"rank {model.rank_}, alpha {model.alpha_:.3f}")

# %%
# Gross errors are another matter
# -------------------------------
# Now one pixel in ten that is left is black or white by mistake. ``loss="l1"`` gives
# them no more weight than any other.
wrong = holes.copy()
hit = ~np.isnan(wrong) & (rng.random(picture.shape) < 0.1)
wrong[hit] = rng.integers(0, 2, hit.sum())
options = {"rank": 8, "alpha": 0.03, "keep_observed": False, "tol": 3e-3}
squared = MatrixCompleter(**options).fit_transform(wrong)
robust = MatrixCompleter(loss="l1", **options).fit_transform(wrong)

import matplotlib.pyplot as plt

panels = {
    "three in five lost": holes,
    f"completed, rank {model.rank_}": model.transform(holes),
    "and one in ten wrong": wrong,
    "squared errors": squared,
    'loss="l1"': robust,
    "the picture": picture,
}
fig, axes = plt.subplots(2, 3, figsize=(9.5, 4.4), layout="constrained")
for ax, (title, Z) in zip(axes.flat, panels.items(), strict=True):
    shown = plt.get_cmap("gray").copy()
    shown.set_bad("#c9a227")
    ax.imshow(Z, cmap=shown, vmin=0.0, vmax=1.0)
    error = np.sqrt(np.mean((Z - picture) ** 2))
    known = np.isnan(error) or error == 0.0
    ax.set(xticks=[], yticks=[])
    ax.set_title(title + ("" if known else f": {error:.3f}"), fontsize=9)
plt.show()

# %%
# Steps do not feel the condition number
# --------------------------------------
# Matrices of rank 3 whose singular values are more and more unlike, from 40 percent of
# their entries. Gradient descent on the factors needs steps in proportion. Scaled
# gradient descent multiplies the gradient of one factor by the inverse Gram matrix of
# the other, and alternating least squares solves for a whole factor.
from skopt2.solvers.low_rank.alternating import AlternatingMinimisation
from skopt2.solvers.low_rank.entries import DenseEntries
from skopt2.solvers.low_rank.entry_loss import EntryLoss
from skopt2.solvers.low_rank.problem import Completion
from skopt2.solvers.low_rank.scaled_descent import ScaledDescent
from skopt2.solvers.low_rank.start import random_start, spectral_start


def errors(condition, name, steps=100):
    """Return the relative errors of the matrix after each step."""
    rng = np.random.default_rng(1)
    U, V = (np.linalg.qr(rng.standard_normal((size, 3)))[0] for size in (120, 100))
    M = (U * np.geomspace(1.0, 1.0 / condition, 3)) @ V.T
    mask = rng.random(M.shape) < 0.4
    entries = DenseEntries(M * mask, mask.astype(float))
    problem = Completion(entries, 0.0, EntryLoss(), False, False)
    if name == "altmin":
        solver, start = AlternatingMinimisation(problem), spectral_start
    else:
        solver = ScaledDescent(problem, scaled=name == "scaledgd")
        start = random_start
    state, path = solver.start(start(problem, 3, 0)), []
    for _ in range(steps):
        state = solver.step(state)
        found = state.model.U @ state.model.V.T
        path.append(np.linalg.norm(found - M) / np.linalg.norm(M))
    return np.array(path)


colours = {"gd": "#b0413e", "scaledgd": "#2a6f97", "altmin": "#2f855a"}
styles = {1: "-", 10: "--", 100: ":"}
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for name, colour in colours.items():
    for condition, style in styles.items():
        path = errors(condition, name)
        ax.semilogy(np.maximum(path, 1e-10), style, color=colour, lw=1.5)
for name, colour in colours.items():
    ax.plot([], [], color=colour, label=name)
for condition, style in styles.items():
    ax.plot([], [], style, color="0.4", label=f"condition number {condition}")
ax.set(xlabel="step", ylabel="relative error", ylim=(1e-9, 100.0))
ax.legend(ncols=2, fontsize=8, loc="upper right")
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Nor the rank, where measurements are many
# -----------------------------------------
# ``LowRankRegressor`` sees products of a matrix with random ones. The matrix has
# rank 2; the factors get more columns than that. Scaled gradient descent is damped as
# much as the residual says, and hardly minds. On the right a tenth of the measurements
# are grossly wrong: absolute errors from a small start find the matrix all the same.
from skopt2.linear_model import LowRankRegressor

U, V = (np.linalg.qr(rng.standard_normal((16, 2)))[0] for _ in range(2))
M = (U * [1.0, 0.1]) @ V.T
A = rng.standard_normal((300, 256))
y = A @ M.ravel()
options = {"alpha": 0.0, "fit_intercept": False, "random_state": 0, "tol": 1e-12}
limits = {"max_iter": 120, "tol": 1e-12}
wrong = np.where(rng.random(300) < 0.1, y + 5.0 * rng.standard_normal(300), y)
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
for columns, style in {2: "-", 4: "--", 6: ":"}.items():
    for solver in ("gd", "scaledgd"):
        model = LowRankRegressor(columns, solver=solver, **{**options, **limits})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(A, y)
        residual = np.sqrt(model.history_["objective"] / np.mean(y**2))
        left.semilogy(residual, style, color=colours[solver], lw=1.5)
    left.plot([], [], style, color="0.4", label=f"{columns} columns")
for solver in ("gd", "scaledgd"):
    left.plot([], [], color=colours[solver], label=solver)
left.set(xlabel="step", ylabel="relative residual", title="rank 2, condition number 10")
left.legend(fontsize=8)
ranks, options["tol"] = (2, 4, 8, 16), 1e-3
for loss, colour in (("l1", "#2f855a"), ("huber", "#c9a227"), ("squared", "#b0413e")):
    off = []
    for columns in ranks:
        model = LowRankRegressor(columns, loss=loss, max_iter=200, delta=0.1, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(A, wrong)
        off.append(np.linalg.norm(model.coef_matrix_ - M) / np.linalg.norm(M))
    right.loglog(ranks, off, "o-", color=colour, label=loss)
right.set(xlabel="columns of the factors", title="one measurement in ten wrong")
right.set(ylabel="relative error", xticks=ranks, xticklabels=ranks)
right.minorticks_off()
right.legend(fontsize=8)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# An imputer in a pipeline
# ------------------------
# Forty percent of a table are missing before a regression. Rows that are new get their
# factors from the entries that they have.
from sklearn.datasets import load_breast_cancer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_breast_cancer(return_X_y=True)
X = np.where(rng.random(X.shape) < 0.4, np.nan, X)
for imputer in (MatrixCompleter(random_state=0), KNNImputer(), SimpleImputer()):
    pipeline = make_pipeline(imputer, StandardScaler(), LogisticRegression())
    score = cross_val_score(pipeline, X, y, cv=3).mean()
    print(f"{type(imputer).__name__:16s} accuracy {score:.3f}")

# %%
# **Try next:** ``rank="auto"``, which looks for a rank in the place of a level; or
# ``keep_observed=False``, which takes the noise out of the entries that are there.
