"""
Edges of a graphical model
==========================

In a normal distribution two features are independent given all the others where the
inverse of the covariance matrix is zero. A sparse estimate of that inverse is a graph.
This example draws data from a known graph, follows the l1 norm (graphical lasso) and a
nonconvex penalty from many edges to few, and compares the edges with the truth.
"""

# %%
# Data from a graph
# -----------------
# Sixty features: three hubs with fourteen neighbours each, and a chain of fifteen. The
# strengths of the edges differ, and there are 250 rows.
import matplotlib.pyplot as plt
import numpy as np

from skopt2.covariance import SparseInverseCovarianceCV, inverse_covariance_path

rng = np.random.default_rng(0)
truth = np.zeros((60, 60))
for hub in (0, 15, 30):
    truth[hub, hub + 1 : hub + 15] = rng.uniform(0.15, 0.3, 14)
chain = np.arange(45, 59)
truth[chain, chain + 1] = rng.uniform(0.25, 0.45, 14)
truth = truth + truth.T + np.eye(60)
truth += max(0.1 - np.linalg.eigvalsh(truth)[0], 0.0) * np.eye(60)
scale = np.sqrt(np.diag(np.linalg.inv(truth)))
truth *= np.outer(scale, scale)
X = np.linalg.solve(np.linalg.cholesky(truth).T, rng.standard_normal((60, 250))).T

# %%
# Along the path
# --------------
# Each point is one level of the penalty. Recall is the part of the true edges that are
# found, precision the part of the edges found that are true. The second panel is the
# error of the matrix. Large elements keep their size under MCP, so that fewer false
# edges have to make up for what the l1 norm takes from the true ones.
upper = np.triu_indices(60, 1)
true = truth[upper] != 0
S = np.corrcoef(X, rowvar=False)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for penalty, label in (("l1", "l1"), ("mcp", "MCP")):
    path = inverse_covariance_path(S, penalty, alphas=20, eps=0.2)
    found = np.array([T[upper] != 0 for T in path.precisions[1:]])
    hits = (found & true).sum(axis=1)
    left.plot(hits / true.sum(), hits / found.sum(axis=1), "o-", ms=3, label=label)
    error = [np.linalg.norm(T - truth) / np.linalg.norm(truth) for T in path.precisions]
    right.plot(path.n_edges, error, "o-", ms=3, label=label)
left.set(xlabel="recall", ylabel="precision", title="edges")
right.axvline(true.sum(), color="k", ls=":", label="true number")
right.set(xlabel="edges", ylabel="relative error", title="matrix")
right.set(xlim=(0, 250))
left.legend()
right.legend()

# %%
# One graph
# ---------
# The extended Bayesian criterion chooses the level. The graphical lasso needs a level
# that is low enough for the true edges, and lets false ones in.
models = {
    "l1": SparseInverseCovarianceCV("l1", criterion="ebic", standardize=True).fit(X),
    "MCP": SparseInverseCovarianceCV("mcp", criterion="ebic", standardize=True).fit(X),
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
pictures = {"truth": truth, **{name: m.precision_ for name, m in models.items()}}
for axis, (name, T) in zip(axes, pictures.items(), strict=True):
    off = np.where(np.eye(60), np.nan, T)
    image = axis.imshow(np.where(off == 0, np.nan, off), cmap="RdBu", vmin=-1, vmax=1)
    edges = T[upper] != 0
    right_ones = int((edges & true).sum())
    title = f"{name}: {edges.sum()} edges"
    axis.set_title(title if name == "truth" else f"{title}, {right_ones} right")
    axis.set(xticks=[], yticks=[])
figure.colorbar(image, ax=axes, shrink=0.8, label="precision")
for name, model in models.items():
    print(f"{name:3s} alpha {model.alpha_:.3f}  {model.certificate_}")
plt.show()

# %%
# **Try next:** a hundred rows in the place of 250: which of the two loses more edges?
# And ``criterion="cv"``, which keeps the graph that predicts best and not the one that
# is most likely the true one.
