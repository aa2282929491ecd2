"""
Probabilities that are exactly zero
===================================

Softmax never rules anything out. Sparsemax does: its probabilities are the projection
of the scores onto the simplex, and most of them are zero. What is that good for, and
what does it cost?
"""

# %%
# A sure class, and doubt between few
# -----------------------------------
# Handwritten digits, the same ridge penalty for both losses. Here are the probabilities
# of the test images whose largest one is the smallest: the hard cases.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skopt2.linear_model import SparseClassifier, SparsemaxClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
sparsemax = SparsemaxClassifier(alpha=0.01).fit(X_train, y_train)
softmax = SparseClassifier("multinomial", "ridge", alpha=0.01).fit(X_train, y_train)
models = {"softmax": softmax, "sparsemax": sparsemax}
for name, model in models.items():
    p = model.predict_proba(X_test)
    print(f"{name:10s}{model.certificate_}  accuracy {model.score(X_test, y_test):.3f}")
    print(f"{'':10s}{(p > 0).sum(axis=1).mean():.2f} classes left of 10 in the mean")

# %%
# Softmax spreads some of its mass over all ten classes. Sparsemax names the few classes
# in question, and rules the others out. A ring is the true class: now and then it has
# been ruled out, which is the price of a zero.
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})
p = {name: model.predict_proba(X_test) for name, model in models.items()}
hard = np.argsort(p["sparsemax"].max(axis=1))[:14]
fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True, layout="constrained")
for ax, (name, values) in zip(axes, p.items(), strict=True):
    shown = np.where(values[hard] > 0, values[hard], np.nan)
    image = ax.imshow(shown, cmap="Blues", vmin=0, vmax=0.8, aspect="auto")
    ax.plot(y_test[hard], np.arange(14), "o", mfc="none", mec="#C8553D", ms=12, mew=1.6)
    ax.set(xticks=range(10), xlabel="class", yticks=[])
    ax.set_title(f"{name}: {np.mean(values[hard] == 0):.0%} zeros", loc="left")
    ax.spines[:].set_visible(False)
axes[0].set_ylabel("hard test images")
fig.colorbar(image, ax=axes, label="probability (white: exactly 0)", shrink=0.8)
plt.show()

# %%
# Documents of several topics
# ---------------------------
# A matrix of 0 and 1 as target means several labels a sample. Its target is then the
# uniform distribution over the labels, and the labels above a threshold are predicted.
# A softmax would need infinite scores for its zeros; a projection needs a gap.
rng = np.random.default_rng(0)
topics = rng.dirichlet(np.full(120, 0.1), 8)
Y = np.zeros((600, 8), dtype=int)
for row in Y:
    row[rng.choice(8, 1 + rng.integers(3), replace=False)] = 1
Q = Y / Y.sum(axis=1, keepdims=True)
words = np.stack([rng.multinomial(150, q @ topics) for q in Q]) / 150 * np.sqrt(120)
train, test = slice(0, 300), slice(300, 600)

labels = SparsemaxClassifier(alpha=2e-3).fit(words[train], Y[train])
print(f"threshold of the probability: {labels.threshold_:.3f}")
print(f"documents with all labels right: {labels.score(words[test], Y[test]):.1%}")

# The softmax model of the same targets: a row for each label, weighted by its share.
rows, label = np.nonzero(Q[train])
flat = SparseClassifier("multinomial", "ridge", alpha=2e-3)
flat.fit(words[train][rows], label, Q[train][rows, label])

# %%
# True shares are 0, 1/3, 1/2 and 1; a diamond is the mean. Scores with which a softmax
# makes the absent topics small are large, and then the shares of those present scatter.
# This ``alpha`` is close to the best for both.
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
fits = {"softmax": flat, "sparsemax": labels}
for ax, (name, model) in zip(axes, fits.items(), strict=True):
    found = model.predict_proba(words[test])
    for share in np.unique(Q):
        values = found[Q[test] == share]
        places = share + 0.03 * (rng.random(values.size) - 0.5)
        ax.plot(places, values, ".", color="#0B5FA5", alpha=0.15, ms=4)
        ax.plot(share, values.mean(), "D", color="#C8553D", ms=7)
    ax.plot([0, 1], [0, 1], color="#8A8F98", lw=1, zorder=0)
    error = np.abs(found - Q[test]).sum(axis=1).mean() / 2
    ax.set_title(f"{name}: {error:.1%} of the mass misplaced", loc="left")
    ax.set(xlabel="true share of a topic", xticks=[0, 1 / 3, 1 / 2, 1])
    ax.set_xticklabels(["0", "1/3", "1/2", "1"])
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("predicted share")
plt.show()

# %%
# **Try next:** ``penalty="l1"`` to see which words make a topic, or ``threshold=0.0``,
# which predicts every label that is not ruled out.
