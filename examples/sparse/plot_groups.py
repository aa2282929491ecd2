"""
Groups: the columns of a table, not of a matrix
===============================================

One column of a table becomes many columns of a matrix: an indicator for each category,
a handful of splines for each number. A lasso picks among those; what is wanted is a
choice among the columns of the table. Group penalties make it, and
:class:`~skopt2.linear_model.GroupRegressor` takes the names of the table's columns.
"""

# %%
# A table
# -------
# Sixteen columns, half of them categories; the price depends on four: two categories,
# one number by a curve and one by a line.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer

from skopt2.linear_model import GroupRegressorCV, SparseRegressorCV

CATEGORIES = ["city", "kind", "street", "roof", "colour", "agent", "month", "source"]
NUMBERS = ["age", "area", "floor", "traffic", "noise", "trees", "slope", "shops"]
RELEVANT = ["city", "kind", "age", "area"]


def make_table(n, seed):
    """Return a table of flats and their prices, without and with noise."""
    rng = np.random.default_rng(seed)
    table = {c: rng.integers(0, 4 + j, n) for j, c in enumerate(CATEGORIES)}
    table |= {c: rng.uniform(0, 1, n) for c in NUMBERS}
    table = pd.DataFrame(table)
    price = np.array([1.0, -1.0, 0.5, 0.0])[table["city"]]
    price += np.array([0.8, 0.0, 0.0, -0.8, 0.3])[table["kind"]]
    price += 1.2 * np.cos(2 * np.pi * table["age"]) + 2.0 * table["area"]
    for c in CATEGORIES:
        table[c] = c[0] + table[c].astype(str)
    return table, price, price + 0.9 * rng.standard_normal(n)


def pipeline(kind, **params):
    """Return the model of a table: indicators and splines, then a linear model."""
    columns = ColumnTransformer(
        [
            ("onehot", OneHotEncoder(sparse_output=False), CATEGORIES),
            ("spline", SplineTransformer(5), NUMBERS),
        ]
    )
    model = kind(alphas=20, eps=0.03, selection="1se", **params)
    return make_pipeline(columns, model).set_output(transform="pandas")


# %%
# ``set_output(transform="pandas")`` lets the names of the columns through, so that
# ``groups=["city", ...]`` finds ``onehot__city_c0`` and its like. Indicators and
# splines add up to one, which makes every group rank-deficient: with
# ``orthonormalize=True`` what a group predicts is its size, and that does no harm.

options = {"groups": CATEGORIES + NUMBERS, "orthonormalize": True}
models = {
    "lasso": pipeline(SparseRegressorCV),
    "group lasso": pipeline(GroupRegressorCV, **options),
    "group MCP": pipeline(GroupRegressorCV, penalty="group_mcp", **options),
}
table, _, y = make_table(300, 0)
for name, model in models.items():
    last = model.fit(table, y)[-1]
    print(f"{name:11s} {np.count_nonzero(last.coef_):3d} of {last.coef_.size} columns")
    print(f"            {last.certificate_}")

# %%
# Groups along the path
# ---------------------
# The size of each group, which is the standard deviation of what it predicts. The four
# columns that matter are in colour, the level that was chosen is dashed.

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)


def group_sizes(model, table):
    """Return the standard deviation of what each group predicts, (levels, groups)."""
    last, X = model[-1], model[:-1].transform(table).to_numpy()
    parts = [last.groups_ == g for g in range(len(last.group_labels_))]
    path = last.coef_path_.T
    return np.stack([np.std(X[:, part] @ path[part], axis=0) for part in parts], axis=1)


fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for name, ax in zip(("group lasso", "group MCP"), axes, strict=True):
    last, sizes = models[name][-1], group_sizes(models[name], table)
    for g, label in enumerate(last.group_labels_):
        style = {"color": "0.75", "linewidth": 1}
        if label in RELEVANT:
            color = f"C{RELEVANT.index(label)}"
            style = {"color": color, "linewidth": 1.8, "label": label}
        ax.semilogx(last.alphas_, sizes[:, g], **style)
    ax.axvline(last.alpha_, color="0.3", linewidth=1, linestyle="--")
    ax.invert_xaxis()
    ax.set(xlabel="alpha", title=name)
axes[0].set_ylabel("standard deviation of the group")
axes[0].legend(frameon=False)
plt.show()

# %%
# Under the lasso of groups all of them grow slowly, and those that do not belong enter
# before the others have their full size. Under the group MCP a group has it soon after
# it enters.
#
# Several tables
# --------------
# How many of the four columns are found, how many others come along, and how far the
# predictions are from prices without noise, on tables of the same kind.

rows = []
for seed in range(1, 4):
    table, _, y = make_table(300, seed)
    test, truth, _ = make_table(1000, 100 + seed)
    for name, model in models.items():
        last = model.fit(table, y)[-1]
        columns = model[:-1].get_feature_names_out()[last.coef_ != 0]
        found = {column.split("__")[1].split("_")[0] for column in columns}
        error = np.sqrt(np.mean((model.predict(test) - truth) ** 2))
        right = len(found & set(RELEVANT))
        rows.append((name, right, len(found) - right, error))
figures = pd.DataFrame(rows, columns=["model", "right", "wrong", "error"])
means = figures.groupby("model", sort=False).mean()
print(means.round(2))

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
place = np.arange(len(means))
left.barh(place - 0.18, means["right"], 0.36, color="C0", label="of the 4 that matter")
left.barh(place + 0.18, means["wrong"], 0.36, color="0.7", label="of the 12 others")
left.set(xlabel="columns of the table in the model", yticks=place)
left.set_yticklabels(means.index)
left.invert_yaxis()
left.legend(loc="upper right", frameon=False)
left.set_xlim(0, 8)
right.barh(place, means["error"], 0.5, color="C3")
right.set(xlabel="error of the predictions", yticks=place, yticklabels=[])
right.invert_yaxis()
plt.show()

# %%
# **Try next:** ``penalty="sparse_group_lasso"``, which drops single categories as well;
# or ``criterion="ebic"``, which needs no folds.
