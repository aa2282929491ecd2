"""
A thousand features seen through a hundred
==========================================

Ridge regression on random projections of the features is cheap, and the mean of a few
such models is nearly as good as ridge on all features. Generalised cross-validation of
the whole ensemble chooses level and sketch size without folds, tells the error of
infinitely many members from a few, and makes prediction intervals.
"""

# %%
# Six hundred rows, a thousand features of decreasing size. The error on new rows can be
# computed here, because the model that made the data is known.

import matplotlib.pyplot as plt
import numpy as np

from skopt2.linear_model import SketchedRidgeCV

rng = np.random.default_rng(0)
n, p = 600, 1000
scale = np.sqrt(2 / (1 + 30 * np.linspace(0, 1, p)))
X = rng.standard_normal((n, p)) * scale
coef = np.zeros(p)
coef[:100] = rng.standard_normal(100) / 10
y = X @ coef + rng.standard_t(3, n)
variance = 3.0


def new_error(model):
    """Return the squared error on new rows."""
    off = (model.coef_ - coef) * scale
    return off @ off + model.intercept_**2 + variance


# %%
# Four members, three sizes, twenty levels: every member is decomposed once for all its
# levels.

model = SketchedRidgeCV(4, sketch_size=[50, 100, 300], random_state=0).fit(X, y)
print(f"size {model.sketch_size_}, level {model.alpha_:.2f}")
print(f"GCV {model.gcv_:.3f}, error on new rows {new_error(model):.3f}")
print(
    f"without a sketch, at the level {model.implicit_alpha_:.2f}: estimated "
    f"{model.unsketched_gcv_:.3f}"
)
exact = SketchedRidgeCV(
    1, sketch_size=p, alphas=[model.implicit_alpha_], random_state=0
).fit(X, y)
print(f"and on all features {new_error(exact):.3f}, which GCV says is {exact.gcv_:.3f}")

# %%
# More members make the sketch matter less. From two on they tell where that ends,
# within two percent: the mean product of the residuals of different members.

counts = [1, 2, 4, 8, 16, 32]
options = {"sketch_size": 100, "alphas": [model.alpha_], "random_state": 7}
grown = [SketchedRidgeCV(count, **options).fit(X, y) for count in counts]

# %%
# Intervals from corrected residuals hold nine of ten new values, with a noise that has
# heavy tails. The residuals of the fit itself are too small for that.

new = rng.standard_normal((4000, p)) * scale
target = new @ coef + rng.standard_t(3, 4000)
wanted = np.linspace(0.1, 0.98, 12)
reached, naive = [], []
residuals, center = y - model.predict(X), model.predict(new)
for coverage in wanted:
    low, high = model.predict_interval(new, coverage).T
    reached.append(((low <= target) & (target <= high)).mean())
    low, high = np.quantile(residuals, [0.5 - coverage / 2, 0.5 + coverage / 2])
    naive.append(((low <= target - center) & (target - center <= high)).mean())

fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for j, size in enumerate(model.sketch_sizes_):
    color = f"C{j}"
    axes[0].semilogx(model.alphas_, model.gcv_path_[j], color, label=f"q = {size}")
    errors = []
    for alpha in model.alphas_[::3]:
        one = SketchedRidgeCV(4, sketch_size=int(size), alphas=[alpha], random_state=0)
        errors.append(new_error(one.fit(X, y)))
    axes[0].plot(model.alphas_[::3], errors, "o", color=color, ms=4)
axes[0].set(
    xlabel="alpha",
    ylabel="squared error",
    ylim=(3, 6),
    title="GCV (lines), new rows (dots)",
)
axes[0].legend()
axes[1].semilogx(counts, [one.gcv_ for one in grown], "C1.-", label="GCV")
axes[1].semilogx(counts, [new_error(one) for one in grown], "C1o", label="new rows")
axes[1].semilogx(
    counts[1:], [one.unsketched_gcv_ for one in grown[1:]], "C3--", label="their limit"
)
axes[1].set(xlabel="members", title="q = 100", xticks=counts, xticklabels=counts)
axes[1].minorticks_off()
axes[1].legend()
axes[2].plot([0, 1], [0, 1], color="0.8")
axes[2].plot(wanted, reached, "C0o-", ms=4, label="corrected residuals")
axes[2].plot(wanted, naive, "C7.:", label="residuals of the fit")
axes[2].set(xlabel="coverage asked for", ylabel="on 4000 new rows", title="Intervals")
axes[2].legend()
plt.show()

# %%
# **Try next:** ``sketch="gaussian"`` or ``"countsketch"``; one sketch in the place of
# four, and the intervals that it gives.
