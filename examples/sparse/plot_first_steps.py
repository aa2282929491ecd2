"""
First steps: from the lasso to a certified MCP fit
==================================================

A pipeline with scikit-learn's lasso becomes one with a nonconvex penalty by changing
its last step. The fit then reports how close it is to a solution, and large
coefficients are no longer shrunk.
"""

# %%
# The pipeline you may have already
# ---------------------------------
# Ten measurements of 442 diabetes patients predict how the disease progresses.
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso, LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_diabetes(return_X_y=True, as_frame=True)
lasso = make_pipeline(StandardScaler(), Lasso(alpha=3.0)).fit(X, y)

# %%
# The same model in skopt2
# ------------------------
# With the defaults, ``SparseRegressor`` solves the problem of ``Lasso`` at the same
# ``alpha``. It also says how well: the duality gap bounds how far its objective can be
# above the optimum, as a share of what the intercept alone leaves unexplained. (The
# difference between the two is what scikit-learn's default ``tol`` leaves.)
from skopt2.linear_model import SparseRegressor

same = make_pipeline(StandardScaler(), SparseRegressor(alpha=3.0)).fit(X, y)
difference = abs(same[-1].coef_ - lasso[-1].coef_).max()
print(f"largest difference of a coefficient: {difference:.0e}")
print(same[-1].certificate_)

# %%
# Another penalty
# ---------------
# The minimax concave penalty starts like the lasso at zero and goes flat for large
# coefficients. It is not convex, so no duality gap exists; what the fit certifies is
# that it satisfies the conditions of a local minimum.
mcp = make_pipeline(StandardScaler(), SparseRegressor(penalty="mcp", alpha=3.0))
mcp.fit(X, y)
print(f"{mcp[-1].stop_reason_}: {mcp[-1].certificate_}")

# %%
# What it changed
# ---------------
# The blue dots are the MCP's coefficients, the rings the lasso's at the same ``alpha``.
# The ticks are least squares on the features that MCP selected, which is what both
# would like to return for those that matter. The lasso pulls every coefficient towards
# zero to keep the others out, and lets ``s6`` in nevertheless.
import matplotlib.pyplot as plt

from skopt2.inspection import SupportDisplay

coefs = pd.DataFrame({"lasso": lasso[-1].coef_, "mcp": mcp[-1].coef_}, index=X.columns)
selected = coefs.index[coefs["mcp"] != 0]
scaled = StandardScaler().set_output(transform="pandas").fit_transform(X)
least_squares = LinearRegression().fit(scaled[selected], y)
coefs["least squares"] = pd.Series(least_squares.coef_, index=selected)
print(coefs.round(1).to_string(na_rep=""))

display = SupportDisplay.from_estimator(mcp, name="MCP", label="MCP")
rows = [label.get_text() for label in display.ax_.get_yticklabels()]
ink = {"color": "#2B2F36", "linestyle": "none", "markerfacecolor": "none", "zorder": 5}
places = range(len(rows))
for name, marker, size in (("lasso", "o", 7), ("least squares", "|", 15)):
    display.ax_.plot(
        coefs.loc[rows, name], places, marker, markersize=size, label=name, **ink
    )
display.ax_.legend(frameon=False, loc="lower right", fontsize="small")
plt.show()

# %%
# On new patients
# ---------------
# One feature less, and no worse:
from sklearn.model_selection import cross_val_score

for name, model in {"lasso": lasso, "MCP": mcp}.items():
    print(f"{name:6s} R2 over 5 folds: {cross_val_score(model, X, y).mean():.3f}")

# %%
# **Try next:** replace ``penalty="mcp"`` by ``"scad"``, ``"l0"`` or ``"elasticnet"``,
# and let ``SparseRegressorCV`` choose ``alpha``.
