"""
Which pixels tell ten digits apart
==================================

A sparse multinomial model reads handwritten digits from a fraction of their pixels, and
its coefficients can be looked at as pictures.
"""

# %%
# Two paths
# ---------
# The model has a coefficient for each of 64 pixels and 10 digits, 640 in all. Two
# penalties, from the empty model downwards; every one of the 60 fits is certified.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skopt2.linear_model import sparse_path

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16.0, y, test_size=0.4, stratify=y, random_state=0
)
paths = {
    name: sparse_path(
        X_train,
        y_train,
        loss="multinomial",
        penalty=penalty,
        alphas=30,
        eps=8e-3,
        tol=1e-5,
    )
    for name, penalty in (("l1", "l1"), ("MCP", "mcp"))
}
for name, path in paths.items():
    print(f"{name:4s} worst of 30: {max(path.certificates, key=lambda c: c.value)}")

# %%
# Sparsity against accuracy
# -------------------------
# Both models start at guessing. The l1 penalty lets coefficients in one by one; MCP
# takes dozens at once, since the digits can be told apart by many sets of pixels, and
# ends no sparser for the same accuracy. A concave penalty is no guarantee of a smaller
# model: it pays where the true support is small and its coefficients are large.
import matplotlib.pyplot as plt

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
chosen = {}
for (name, path), color in zip(paths.items(), ("#0B5FA5", "#C8553D"), strict=True):
    scores = X_test @ path.coefs + path.intercepts[:, None, :]
    accuracy = np.mean(scores.argmax(axis=2) == y_test, axis=1)
    size = path.degrees_of_freedom
    ax.plot(size, accuracy, "o-", color=color, markersize=3.5)
    chosen[name] = i = np.argmax(accuracy >= 0.94)
    ax.plot(size[i], accuracy[i], "o", color=color, markersize=8, fillstyle="none")
    label = f"{name}: {size[i]} coefficients, {accuracy[i]:.1%}"
    place = (0, -22) if name == "l1" else (-46, 11)
    ax.annotate(
        label, (size[i], accuracy[i]), place, textcoords="offset points", color=color
    )
ax.set(
    xlabel="nonzero coefficients of 640",
    ylabel="accuracy on new digits",
    ylim=(0.2, 1.02),
)
ax.grid(axis="y", color="#D3D7DC", linewidth=0.6)
plt.show()

# %%
# The coefficients as pictures
# ----------------------------
# At the two marked points. Blue pixels speak for a digit, red ones against it, and
# white ones are not used; their numbers are below. Ink in the middle speaks against a
# 0 in both models.
fig, axes = plt.subplots(3, 10, figsize=(10, 3.4), layout="constrained")
plain = {"xticks": [], "yticks": []}
for digit in range(10):
    mean = X_train[y_train == digit].mean(axis=0)
    axes[0, digit].imshow(mean.reshape(8, 8), cmap="Greys")
    axes[0, digit].set(title=str(digit), **plain)
    for row, (name, path) in zip(axes[1:], paths.items(), strict=True):
        coef = path.coefs[chosen[name]]
        limit = 0.5 * abs(coef).max()
        image = coef[:, digit].reshape(8, 8)
        row[digit].imshow(image, cmap="RdBu", vmin=-limit, vmax=limit)
        row[digit].set(xlabel=f"{np.count_nonzero(image)}", **plain)
for ax in axes.flat:
    ax.spines[:].set(visible=True, color="#D3D7DC")
for ax, name in zip(axes[:, 0], ("mean digit", *paths), strict=True):
    ax.set_ylabel(name)
plt.show()

# %%
# **Try next:** ``SparseClassifier(penalty="mcp")`` on two digits only, say 3 and 8,
# where it becomes a logistic model with one picture.
