"""
What privacy costs
==================

A model that does not tell of its rows has noise in it. How much worse does that make
it, and what helps: more epsilon, or more rows? Handwritten digits, classified with a
linear model and with a small network.
"""

# %%
# A private fit
# -------------
# Two things are said before the data are seen. Grey values are from 0 to 16, and there
# are ten digits. Read from the rows, both would be a leak.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skopt2.inspection import PrivacyCurveDisplay
from skopt2.privacy import DPLogisticClassifier, DPMLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
linear = DPLogisticClassifier(bounds=(0, 16), classes=range(10), delta=1e-5)
linear.fit(X_train, y_train)
print(f"accuracy {linear.score(X_test, y_test):.3f}")
print(linear.privacy_)

# %%
# The record says what was added: fifty steps of gradient descent, each with noise so
# many times as large as the effect that one row can have. Run this again, and the
# accuracy is another one: the noise is fresh in every fit.
#
# The curve
# ---------
# The display fits clones with different epsilons to the same splits, with other noise
# each time, and warns of what it does: its scores are exact and not private. The
# digits are public. A network with one hidden layer of 64 units takes part, and a
# linear model without privacy, which gets the same scaled grey values.
scaled = FunctionTransformer(lambda X: X / 8 - 1)
plain = make_pipeline(scaled, LogisticRegression(C=0.1))
network = DPMLPClassifier(bounds=(0, 16), classes=range(10), delta=1e-5)
splits = ShuffleSplit(5, test_size=400, random_state=0)
display = PrivacyCurveDisplay.from_estimators(
    {"linear": linear, "network": network},
    X,
    y,
    epsilons=[0.1, 0.25, 0.5, 1, 2, 4, 8],
    cv=splits,
    n_repeats=1,
    baseline={"not private": plain},
    random_state=0,
)
plt.show()

# %%
# From epsilon 0.1 to 1 accuracy is bought quickly, beyond 4 hardly at all. Single fits
# are as good as their mean from there on, too; at 0.1 the noise decides. The network
# has seven times as many parameters, each of them noisy, and is as good all the same.
#
# Rows are worth what epsilon is worth
# ------------------------------------
# The noise covers the effect of one row, however many there are. In a mean over twice
# as many rows it is half as large, and so is that of twice the epsilon. Drawn against
# the product of the two, the curves of different sizes nearly fall on one.
epsilons = np.array([0.1, 0.25, 0.5, 1, 2, 4, 8])
sizes = (170, 340, 680, 1360)
accuracy = {}
for n in sizes:
    splits = ShuffleSplit(6, train_size=n, test_size=400, random_state=1).split(X)
    accuracy[n] = np.zeros((epsilons.size, 6))
    for j, (train, test) in enumerate(splits):
        for i, epsilon in enumerate(epsilons):
            fit = linear.set_params(epsilon=epsilon).fit(X[train], y[train])
            accuracy[n][i, j] = fit.score(X[test], y[test])

fig, (left, right) = plt.subplots(
    1, 2, figsize=(10, 3.9), sharey=True, layout="constrained"
)
display = PrivacyCurveDisplay.from_scores(
    epsilons,
    {f"{n:,} rows": accuracy[n] for n in sizes},
    score_name="accuracy",
    band=None,
    ax=left,
)
for n, line in zip(sizes, display.lines_.values(), strict=True):
    style = {"color": line.get_color(), "marker": "o", "markersize": 4}
    right.plot(epsilons * n, accuracy[n].mean(axis=1), **style)
right.set(xscale="log", xlabel="epsilon times rows")
right.tick_params(labelsize="small")
right.spines[["top", "right"]].set_visible(False)
right.grid(axis="y", color="#D3D7DC", linewidth=0.6)
plt.show()

# %%
# That is what to plan with: a study with ten times the people gets the same model at a
# tenth of the epsilon.
#
# **Try next:** ``max_iter``, 20 or 200. Each step gets a share of the budget, so more
# of them are noisier ones. And ``bounds=(0, 64)``, a range that is too wide: what does
# that cost, and why is it no leak?
