"""
Leave-one-out from a single fit
===============================

How good is a model on data that it has not seen, and where should its training stop?
Leave-one-out answers both, at the price of a fit for every row. One Newton step for
each row, all from one factorisation, gives nearly the same answer from a single fit.
And models without each row can be carried along beside a gradient descent, which then
knows at every iteration how it would do on new data.
"""

# %%
# Two hundred patients with sixty measurements, some of which matter, and a diagnosis.
# What the true error is can be told from many further patients.

import matplotlib.pyplot as plt
import numpy as np

from skopt2.linear_model import SparseClassifier
from skopt2.model_selection import approx_cross_validate, loo_path

rng = np.random.default_rng(1)
n, p = 200, 60
coef = np.zeros(p)
coef[:8] = [1.5, -1.5, 1.0, -1.0, 0.7, -0.7, 0.5, -0.5]


def patients(count):
    """Return measurements and diagnoses."""
    X = rng.standard_normal((count, p))
    return X, (rng.random(count) < 1 / (1 + np.exp(-X @ coef))).astype(int)


X, y = patients(n)
X_new, y_new = patients(20000)

# %%
# The level of an l1 penalty. For each of fifteen levels there are one fit and two
# hundred proximal Newton steps. For three of them we also refit the model for every
# patient, to see what the steps are worth.

alphas = np.geomspace(0.002, 0.1, 15)
seen, approximate, new = [], [], []
for alpha in alphas:
    result = approx_cross_validate(SparseClassifier(alpha=alpha), X, y)
    model = result.estimator
    approximate.append(-result.mean_score)
    for losses, A, b in ((seen, X, y), (new, X_new, y_new)):
        losses.append(-model.predict_log_proba(A)[np.arange(len(b)), b].mean())

exact, weak = {}, None
for alpha in alphas[1::5]:
    checked = approx_cross_validate(SparseClassifier(alpha=alpha), X, y, n_check=n)
    weak = weak or checked
    exact[alpha] = checked.mean_error - checked.mean_score
    print(
        f"alpha {alpha:.4f}: leave-one-out {exact[alpha]:.4f}, by steps "
        f"{-checked.mean_score:.4f}; {checked.check_time:.2f} s and "
        f"{checked.fit_time + checked.fold_time:.3f} s"
    )

# %%
# The other way to a good model: hardly any penalty, and a descent that stops in time.
# Twenty of the two hundred models are carried along exactly, to compare.

free = SparseClassifier(alpha=1e-5, tol=1e-8)
path = loo_path(free, X, y, max_iter=240, check_every=3, n_check=20, random_state=0)
print(f"Leave-one-out says to stop at iteration {path.best_iteration}.")
losses_new = []
for count in path.iterations[::8]:
    # The model at an earlier iteration, for the curve of new patients alone.
    stopped = loo_path(free, X, y, max_iter=count, check_every=count, cv=2)
    scores = stopped.estimator.predict_log_proba(X_new)
    losses_new.append(-scores[np.arange(len(y_new)), y_new].mean())

# %%
# Left: the levels of the penalty. The loss on the rows of the fit falls and falls; the
# approximate one turns where that of new patients does, and agrees with the refits but
# for the weakest penalties. Middle: there, single patients left out by a step and by a
# refit; the step falls short for those who were predicted worst. Right: the descent,
# which is best after few iterations, long before it converges.

fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
axes[0].semilogx(alphas, seen, ":", color="0.5", label="rows of the fit")
axes[0].semilogx(alphas, new, color="C2", label="20 000 new rows")
axes[0].semilogx(alphas, approximate, "C0", label="steps from one fit")
axes[0].plot(list(exact), list(exact.values()), "kx", label="refits")
axes[0].set(xlabel="alpha", ylabel="log loss", title="Level of the penalty")
axes[0].legend()
axes[1].plot([-11, 0], [-11, 0], color="0.8")
axes[1].plot(weak.checked_scores, weak.scores[weak.checked], "o", ms=4, alpha=0.5)
axes[1].set(
    xlabel="log likelihood, refitted",
    ylabel="by a step",
    title="Patients left out, weak penalty",
)
axes[2].plot(path.iterations, -path.train_scores, ":", color="0.5")
axes[2].plot(path.iterations[::8], losses_new, color="C2")
axes[2].plot(path.iterations, -path.scores, "C0")
axes[2].axvline(path.best_iteration, color="0.8", zorder=0)
axes[2].set(xlabel="iteration", ylim=(0, 1.5), title="Gradient descent")
plt.show()

# %%
# **Try next:** ``cv=5`` in the place of ``"loo"``; or another family,
# ``SparseClassifier(penalty="mcp")``, for which ``n_check`` tells whether the step can
# be trusted.
