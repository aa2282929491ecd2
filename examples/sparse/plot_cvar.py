"""
The worst tenth
===============

A mean is made by the many. Where a small group behaves in another way, the best model
of the mean may fail it, and nobody sees it in the score. ``CVaRRegressor`` minimises
the mean of the worst losses instead.
"""

# %%
# Two groups of unequal size
# --------------------------
# Nine samples in ten follow one line, one in ten another. No model is told which is
# which.
import numpy as np

from skopt2.linear_model import CVaRRegressor


def draw(n, rng):
    """Return a feature, targets, and who belongs to the minority."""
    x = rng.uniform(-1, 1, n)
    minority = rng.random(n) < 0.1
    y = np.where(minority, 3.0 - 1.5 * x, 1.5 * x) + 0.3 * rng.standard_normal(n)
    return x[:, None], y, minority


rng = np.random.default_rng(0)
X, y, minority = draw(600, rng)
X_test, y_test, minority_test = draw(5000, rng)

# %%
# From the mean to the maximum
# ----------------------------
# ``beta`` is the share of the losses that do not count: 0 is the mean, 0.9 the mean of
# the worst tenth. Each fit is exact, which its duality gap proves.
betas = np.append(np.linspace(0.0, 0.9, 10), [0.95, 0.99])
models = {
    beta: CVaRRegressor("absolute", beta=beta, alpha=1e-3).fit(X, y) for beta in betas
}
print(models[0.9].certificate_)


def group_errors(model):
    """Mean absolute error of the majority and the minority, and of the worst tenth."""
    error = np.abs(y_test - model.predict(X_test))
    worst = np.sort(error)[-len(error) // 10 :].mean()
    return error[~minority_test].mean(), error[minority_test].mean(), worst


for beta in (0.0, 0.5, 0.9):
    many, few, worst = group_errors(models[beta])
    print(f"{beta=}: majority {many:.2f}, minority {few:.2f}, worst tenth {worst:.2f}")

# %%
# The line of the mean ignores the minority; that of the tail runs where nobody is very
# far away. Outside of the band, whose half-width is ``quantile_``, is the worst tenth
# of the training sample.
import matplotlib.pyplot as plt

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
blue, red, grey = "#0B5FA5", "#C8553D", "#8A8F98"
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained")
left.plot(X[~minority], y[~minority], ".", color=grey, ms=3, label="majority")
left.plot(X[minority], y[minority], ".", color="black", ms=5, label="minority")
line = np.array([[-1.0], [1.0]])
for beta, color in ((0.0, blue), (0.9, red)):
    model = models[beta]
    left.plot(line, model.predict(line), color=color, lw=2, label=f"beta={beta:g}")
reach = models[0.9].quantile_
middle = models[0.9].predict(line)
left.fill_between(
    line[:, 0], middle - reach, middle + reach, color=red, alpha=0.10, lw=0
)
left.set(xlabel="x", ylabel="y")
left.set_title("band: all but the worst tenth", loc="left")
left.legend(frameon=False, fontsize=8)
errors = np.array([group_errors(models[beta]) for beta in betas])
right.plot(betas, errors[:, 0], "o-", color=grey, ms=3, label="majority")
right.plot(betas, errors[:, 1], "o-", color="black", ms=3, label="minority")
right.plot(betas, errors[:, 2], "o-", color=red, ms=3, label="worst tenth")
right.set(xlabel="beta", ylabel="mean absolute error, test", ylim=(0, None))
right.set_title("what the minority gains, the majority pays", loc="left")
right.legend(frameon=False, fontsize=8)
plt.show()

# %%
# Steps that need no tuning
# -------------------------
# SPL+ sees a sample at a time. It linearises the loss inside the maximum and solves the
# rest exactly, which a subgradient step does not: steps that are a hundred times too
# long still lead near the minimum.
best = models[0.9].objective_
steps = 10.0 ** np.arange(-2, 4)
excess = []
for step in steps:
    model = CVaRRegressor(
        "absolute",
        beta=0.9,
        alpha=1e-3,
        solver="spl+",
        step_size=step,
        max_iter=12,
        tol=0.5,
        random_state=0,
    ).fit(X, y)
    excess.append(model.objective_ / best - 1)
fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.loglog(steps, excess, "o-", color=blue)
ax.set(xlabel="step_size", ylabel="excess over the minimum, relative")
ax.set_title("SPL+ after a dozen epochs at most", loc="left")
plt.show()

# %%
# **Try next:** ``CVaRClassifier("hinge", beta=0.5)`` on labels of two groups; or
# ``loss="squared"``, under which outliers weigh more still: a tail is made of them too.
