"""
Choosing alpha: cross-validation, one standard error, information criteria
==========================================================================

``SparseRegressorCV`` follows the path of the penalty and chooses a point on it, in one
of three ways. With four times as many features as samples they do not agree.
"""

# %%
# A problem with more features than samples
# -----------------------------------------
# Five of 600 features matter, and there are 150 samples.
import numpy as np

from skopt2.datasets import make_sparse_regression
from skopt2.linear_model import SparseRegressorCV

X, y, coef = make_sparse_regression(
    150, 600, n_informative=5, rho=0.5, snr=3.0, random_state=0
)
rules = {
    "cv": {},
    "cv, 1se": {"selection": "1se"},
    "bic": {"criterion": "bic"},
    "ebic": {"criterion": "ebic"},
}

# %%
# Four rules, two penalties
# -------------------------
# Cross-validation looks for the best prediction, and with the lasso takes in a dozen
# features too many to get it: only at a small ``alpha`` are the coefficients that
# matter large enough. The rule of one standard error takes the sparsest model that
# scores about as well. BIC and EBIC charge for every feature instead and need no folds,
# so they are several times faster; EBIC charges extra for choosing among many.
fits = {}
print(f"{'':18s}  alpha  features  right  error")
for penalty in ("l1", "mcp"):
    for name, rule in rules.items():
        fit = SparseRegressorCV(penalty=penalty, alphas=60, eps=0.05, **rule).fit(X, y)
        fits[penalty, name] = fit
        size = np.count_nonzero(fit.coef_)
        right = np.count_nonzero(fit.coef_[coef != 0])
        error = np.linalg.norm(fit.coef_ - coef) / np.linalg.norm(coef)
        print(
            f"{penalty + ', ' + name:18s}  {fit.alpha_:.3f}  {size:8d}  {right:5d}"
            f"  {error:5.2f}"
        )

# %%
# With MCP all four find the five features, and nearly their true weights: what predicts
# best and what selects best are no longer far apart.
#
# The path and its score
# ----------------------
# The dashed line is the best score, the dotted one the rule of one standard error. The
# band is one standard error of the mean over the folds.
import matplotlib.pyplot as plt

from skopt2.inspection import PathDisplay

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
display = PathDisplay.from_estimator(fits["mcp", "cv"], n_labels=5)
for ax in (display.ax_, display.score_ax_):
    ax.axvline(
        fits["mcp", "cv, 1se"].alpha_, color="#8A8F98", linewidth=1, linestyle=":"
    )
display.score_ax_.set_ylabel("minus squared\nerror, 5 folds")
plt.show()

# %%
# The criteria along the path
# ---------------------------
# Dots mark the minima. The paths end early: with more features than samples the models
# become so good at fitting the noise that a likelihood says nothing about them, and the
# criteria are not followed beyond ``n / log(n)`` features. EBIC, whose charge grows
# with the number of candidates, rises faster on the way there.
fig, axes = plt.subplots(
    1, 2, figsize=(9, 3.6), sharex=True, sharey=True, layout="constrained"
)
for ax, penalty in zip(axes, ("l1", "mcp"), strict=True):
    for rule, color in (("bic", "#C8553D"), ("ebic", "#0B5FA5")):
        fit = fits[penalty, rule]
        values = fit.criterion_path_
        ax.plot(fit.alphas_, values, color=color, label=rule)
        ax.plot(fit.alpha_, values.min(), "o", color=color)
    ax.set_title(f"penalty {penalty!r}", loc="left")
    ax.set(xscale="log", xlabel="alpha")
axes[0].set(ylabel="criterion", xlim=(2, 0.2))
axes[0].legend(frameon=False)
plt.show()

# %%
# **Try next:** ``GridSearchCV(SparseRegressorCV(penalty=MCP()), {"penalty__gamma": [2,
# 3, 5, 10]})`` searches the shape of the penalty along with its level.
