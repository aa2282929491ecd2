"""
Sparse principal components
===========================

A principal component mixes all features. A sparse one has few loadings that are not
zero, so that it can be read. Here 150 made-up genes are measured in 60 samples. Three
programmes switch genes on and off together, some up and some down; the other 105 genes
are noise.
"""

# %%
# Three programmes among 150 genes
# --------------------------------
# Programmes have 20, 15 and 10 genes, and overlap with nothing. The genes come in the
# order of the programmes, which no method is told.
import numpy as np

rng = np.random.default_rng(0)
n_samples, n_genes, sizes = 60, 150, (20, 15, 10)
X = rng.standard_normal((n_samples, n_genes))
programmes = np.zeros((3, n_genes))
first = 0
for j, size in enumerate(sizes):
    genes = slice(first, first + size)
    programmes[j, genes] = rng.uniform(0.7, 1.2, size) * rng.choice([-1, 1], size)
    X += rng.standard_normal((n_samples, 1)) * programmes[j]
    first += size

# %%
# Loadings of three methods
# -------------------------
# ``alpha`` is between 0, for the loadings of PCA, and 1, for a single gene, whatever
# the units of the data. Components may differ in how many loadings they have: a ratio
# of variation to size decides. ``n_nonzero`` would set the number.
from sklearn.decomposition import PCA, SparsePCA

from skopt2.decomposition import SparseRatioPCA

ours = SparseRatioPCA(n_components=3, alpha=0.2, random_state=0).fit(X)
pca = PCA(n_components=3).fit(X)
lasso = SparsePCA(n_components=3, alpha=2.5, random_state=0).fit(X)
print(f"{ours.certificate_}, {ours.n_iter_} steps")
for name, model in (("ratio", ours), ("SparsePCA", lasso)):
    print(f"nonzero loadings, {name}: {np.count_nonzero(model.components_, axis=1)}")

# %%
# Each panel has one component of each method. The shaded genes are a programme.
import matplotlib.pyplot as plt
from scipy.optimize import linear_sum_assignment

plt.rcParams.update({"font.size": 9, "axes.spines.top": False})
plt.rcParams["axes.spines.right"] = False
named = {"PCA": pca, "SparsePCA": lasso, "SparseRatioPCA": ours}
fig, axes = plt.subplots(
    3, 3, figsize=(9, 5), sharex=True, sharey=True, layout="constrained"
)
for column, (name, model) in zip(axes.T, named.items(), strict=True):
    V = model.components_ / np.linalg.norm(model.components_, axis=1, keepdims=True)
    rows = linear_sum_assignment(-np.abs(programmes @ V.T))[1]
    for j, ax in enumerate(column):
        v = V[rows[j]] * np.sign(V[rows[j]] @ programmes[j])
        edges = np.flatnonzero(programmes[j])[[0, -1]]
        ax.axvspan(*edges, color="C1", alpha=0.2, linewidth=0)
        shown = np.flatnonzero(v)
        ax.vlines(shown, 0.0, v[shown], color="C0", linewidth=1.0)
        ax.axhline(0.0, color="0.6", linewidth=0.5)
    column[0].set_title(name)
    column[-1].set_xlabel("gene")
for j, ax in enumerate(axes[:, 0]):
    ax.set_ylabel(f"programme {j + 1}")
plt.show()

# %%
# How much fewer loadings cost
# ----------------------------
# Variance of new samples that the three components explain, against the number of
# loadings. Few are not only easier to read: with 60 samples they are also a better
# guess of what will vary next time, as they leave the noise of the other genes alone.
# At the true number the loadings are those of the leading direction of the genes that
# were selected, without the shrinkage of a penalty, and come close to the programmes;
# where too many genes are selected, shrinkage helps (``refit=False``).
new = rng.standard_normal((500, n_genes))
new += rng.standard_normal((500, 3)) @ programmes


def explained(V):
    """Return the share of the variance of new samples in the space of rows."""
    Q = np.linalg.qr(V.T)[0]
    return np.linalg.norm(new @ Q) ** 2 / np.linalg.norm(new) ** 2


alphas = (0.0, 0.03, 0.06, 0.1, 0.2, 0.35, 0.45)
ratio = [SparseRatioPCA(3, a, random_state=0).fit(X).components_ for a in alphas]
shrunk = [
    SparseRatioPCA(3, a, refit=False, random_state=0).fit(X).components_ for a in alphas
]
penalties = (0.5, 1.5, 2.5, 4.0)
others = [SparsePCA(3, alpha=a, random_state=0).fit(X).components_ for a in penalties]

fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
curves = (
    (ratio, "SparseRatioPCA", "C0", "-"),
    (shrunk, "SparseRatioPCA, refit=False", "C0", ":"),
    (others, "SparsePCA", "C2", "-"),
)
for models, name, colour, style in curves:
    sizes = [np.count_nonzero(V) / 3 for V in models]
    shares = [explained(V) for V in models]
    ax.semilogx(sizes, shares, "o", linestyle=style, color=colour, label=name)
ax.axhline(explained(pca.components_), color="0.5", linestyle="--", label="PCA")
ax.axhline(explained(programmes), color="C1", label="programmes themselves")
ax.set(xlabel="nonzero loadings of a component", ylabel="explained variance, new data")
ax.legend(frameon=False)
plt.show()

# %%
# **Try next:** ``n_nonzero=20`` in the place of ``alpha``, for components of a given
# size; or forty samples, and see which programme is lost first.
