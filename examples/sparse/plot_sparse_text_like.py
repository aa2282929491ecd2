"""
A hundred thousand words, and X stays sparse
============================================

Twenty thousand documents, a vocabulary of a hundred thousand, a hundred words in each
document: the matrix of word presences has 24 MB where a dense one would have 16 GB.
"""

# %%
# Documents and words
# -------------------
# 200 of the words move the rating of a document, the others are noise.
import numpy as np

from skopt2.datasets import make_sparse_design

X, y, coef = make_sparse_design(
    20_000,
    100_000,
    density=1e-3,
    n_informative=200,
    values="ones",
    snr=3.0,
    format="csr",
    random_state=0,
)
stored = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
dense = 8 * X.shape[0] * X.shape[1]
print(f"stored: {stored / 1e6:.0f} MB, dense: {dense / 1e6:,.0f} MB")

# %%
# Words on one scale, centred without a copy
# ------------------------------------------
# Penalised features should be on one scale. ``StandardScaler`` divides the columns; it
# may not centre them, because a centred sparse matrix is dense. An intercept asks for
# centred columns all the same. They are never formed: with the means ``m``, the
# products ``(X - 1 m') v = X v - 1 (m' v)`` are all that a fit needs.
import time

from sklearn.preprocessing import StandardScaler

from skopt2.linear_model import SparseRegressor, sparse_path

scaler = StandardScaler(with_mean=False)
X_scaled = scaler.fit_transform(X)
coef_scaled = coef * scaler.scale_
paths, seconds = {}, {}
for name, penalty in (("lasso", "l1"), ("MCP", "mcp")):
    start = time.perf_counter()
    paths[name] = sparse_path(X_scaled, y, penalty=penalty, alphas=20, eps=0.1)
    seconds[name] = time.perf_counter() - start
    print(f"{name}: 20 fits in {seconds[name]:.2f} s")

# %%
# What a fit allocates
# --------------------
# One model out of the middle of the MCP path, fitted from scratch:
import tracemalloc

alpha = paths["MCP"].alphas[14]
tracemalloc.start()
model = SparseRegressor(penalty="mcp", alpha=alpha).fit(X_scaled, y)
allocated = tracemalloc.get_traced_memory()[1]
tracemalloc.stop()
print(f"{np.count_nonzero(model.coef_)} words, {model.certificate_}")
print(f"allocated at most: {allocated / 1e6:.0f} MB")

# %%
# Most of it is a copy of ``X`` by columns, since it came by rows (CSR): with
# ``X.tocsc()`` that part is gone. Beyond that only the columns of words that matter are
# gathered.
#
# Memory, and what was found
# --------------------------
import matplotlib.pyplot as plt

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, (left, right) = plt.subplots(
    1, 2, figsize=(10, 3.6), width_ratios=(1, 1.3), layout="constrained"
)
amounts = {"X as stored": stored, "a fit, beside X": allocated, "X if dense": dense}
bars = left.barh(
    list(amounts),
    [amount / 1e6 for amount in amounts.values()],
    color=["#0B5FA5", "#0B5FA5", "#D3D7DC"],
    height=0.6,
)
left.bar_label(
    bars, [f"{amount / 1e6:,.0f} MB" for amount in amounts.values()], padding=4
)
left.set(xscale="log", xlim=(1, 2e5), xlabel="MB")
left.invert_yaxis()

for (name, path), color in zip(paths.items(), ("#0B5FA5", "#C8553D"), strict=True):
    error = np.linalg.norm(path.coefs - coef_scaled, axis=1) / np.linalg.norm(
        coef_scaled
    )
    label = f"{name}, 20 fits in {seconds[name]:.1f} s"
    right.plot(
        path.degrees_of_freedom, error, "o-", color=color, markersize=4, label=label
    )
right.axvline(200, color="#8A8F98", linewidth=1, linestyle="--")
right.set(
    xlabel="words in the model", ylabel="relative error of the weights", ylim=(0, 1)
)
right.legend(frameon=False)
plt.show()

# %%
# Both find the 200 words. MCP finds them at their full weight, and at that point has no
# other word in the model.
#
# **Try next:** ``family="logistic"`` and ``loss="logistic"``, for documents that are
# liked or not, or real text through scikit-learn's ``TfidfVectorizer`` in front.
