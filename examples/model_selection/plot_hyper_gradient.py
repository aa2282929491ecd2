"""
A penalty for every feature
===========================

Some columns of a table are good, some are weak, most are noise. One level of a penalty
treats them alike; a grid over a level for each of them has more points than there are
atoms. The validation loss has a gradient, though, and one linear system gives all of
it, however many levels there are. ``HyperGradientCV`` goes down.
"""

# %%
# One level
# ---------
# Sixty features in groups of ten: ten strong ones, ten weaker ones, forty of noise. The
# curve is what a grid of eighty levels finds; the dots are where the search has been.
import numpy as np
from sklearn.model_selection import KFold

from skopt2.linear_model import SparseRegressor
from skopt2.model_selection import HyperGradientCV
from skopt2.penalties import ElasticNet

w = np.repeat([1.0, 0.3, 0.0, 0.0, 0.0, 0.0], 10)
w *= np.random.default_rng(1).standard_normal(60)


def draw(n, seed):
    """Return features and a noisy sum of them."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 60))
    return X, X @ w + 1.5 * rng.standard_normal(n)


X, y = draw(150, 1)
new_X, new_y = draw(5000, 2)
folds = KFold(5, shuffle=True, random_state=0)
ridge = SparseRegressor(penalty=ElasticNet(0.0))

one = HyperGradientCV(ridge, cv=folds, init=3.0, tol=1e-5).fit(X, y)
print(f"{one.n_iter_} steps, {one.history_['fits'][-1]} fits: {one.certificate_}")

# %%
# The same folds by the formula of ridge regression, for the curve:
alphas = np.geomspace(0.01, 10.0, 80)
curve = np.zeros(80)
for train, test in folds.split(X):
    A, b = X[train] - X[train].mean(axis=0), y[train] - y[train].mean()
    values, Q = np.linalg.eigh(A.T @ A / len(b))
    right = Q.T @ (A.T @ b / len(b))
    coef = Q @ (right[:, None] / (values[:, None] + alphas))
    residual = (X[test] - X[train].mean(axis=0)) @ coef
    residual -= (y[test] - y[train].mean())[:, None]
    curve += 0.5 * (residual**2).mean(axis=0) / 5
print(f"grid {curve.min():.5f}, search {-one.best_score_:.5f}")

# %%
# Sixty levels, or six
# --------------------
# Sixty levels can fit the folds as sixty coefficients can fit the samples. How strongly
# they are pulled together is chosen on samples that a search in part of the folds has
# not seen; one level for all is among the choices. Where it is known which columns
# belong together, levels for groups are easier to learn.
groups = HyperGradientCV(ridge, penalties="group", groups=10, cv=folds).fit(X, y)
own = HyperGradientCV(ridge, penalties="feature", cv=folds).fit(X, y)
free = HyperGradientCV(ridge, penalties="feature", cv=folds, shrinkage=0.0).fit(X, y)
searches = {
    "one level": one,
    "six levels": groups,
    "sixty levels": own,
    "sixty, free": free,
}
print("                  on the folds   on new data")
for name, search in searches.items():
    loss = 0.5 * np.mean((search.predict(new_X) - new_y) ** 2)
    print(f"{name:14s} {-search.best_score_:12.3f} {loss:13.3f}")

# %%
# The free levels look best on the folds, which chose them, and are not on new data.
# What the samples set aside said of each strength of the pull:
for strength, loss in own.nested_losses_.items():
    mark = "  <- chosen" if strength == own.shrinkage_ else ""
    print(f"pull {strength:5g}: {loss:.3f}{mark}")

# %%
# Where the levels went
# ---------------------
# The features that matter are let go, the others held. The circles on the right are
# those of features, the lines those of groups.
import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 3, figsize=(13.0, 3.8), layout="constrained")
axes[0].semilogx(alphas, curve, color="0.6", label="grid of 80 levels")
levels = np.r_[3.0, one.history_["levels"][:, 0]]
places = np.interp(np.log(levels), np.log(alphas), curve)
axes[0].plot(levels, places, "o-", color="C3", label=f"{one.n_iter_} steps")
axes[0].set(xlabel="alpha", ylabel="validation loss", title="One level")
axes[0].legend(frameon=False)

path = groups.history_["levels"]
names = ("strong", "weak", "noise", "noise", "noise", "noise")
for g, name in enumerate(names):
    colour = ("C0", "C1", "0.6")[min(g, 2)]
    label = name if g < 3 else None
    axes[1].semilogy(range(1, len(path) + 1), path[:, g], color=colour, label=label)
axes[1].set(xlabel="step", ylabel="level of a group", title="Six levels")
axes[1].legend(frameon=False)

size = np.abs(w)
for group, colour in (
    (slice(0, 10), "C0"),
    (slice(10, 20), "C1"),
    (slice(20, 60), "0.6"),
):
    place = np.where(size[group] > 0, size[group], 3e-3)
    axes[2].loglog(place, own.levels_[group], "o", color=colour, alpha=0.7)
for g, colour in ((0, "C0"), (1, "C1"), (2, "0.6"), (3, "0.6"), (4, "0.6"), (5, "0.6")):
    axes[2].axhline(groups.levels_[g], color=colour, lw=0.8)
axes[2].set(
    xlabel="true coefficient (left edge: none)",
    ylabel="level of a feature",
    title="Sixty levels",
)
axes[2].yaxis.set_minor_formatter("")
axes[2].set_yticks([0.2, 1.0, 5.0], ["0.2", "1", "5"])
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# **Try next:** ``accuracy=0.5``, rougher fits and more of them; or ``SparseClassifier``
# for a target of two classes.
