"""
The same Gaussian process on more rows
======================================

scikit-learn's Gaussian process stores and factorises the matrix of all pairs of rows in
float64. The one here factorises too while that is the fastest way, in float32 if the
rows are; beyond, it solves blocks of equations of a matrix that is never stored, and
draws functions to know how sure it is.
"""

# %%
# The problem
# -----------
# Friedman's function of ten features, of which five matter, and noise.
import numpy as np
from sklearn.datasets import make_friedman1

X, y = make_friedman1(18_000, noise=1.0, random_state=0)
X, y = X.astype(np.float32), ((y - y.mean()) / y.std()).astype(np.float32)
X, y, X_test, y_test = X[1000:], y[1000:], X[:1000], y[:1000]

# %%
# Hyperparameters
# ---------------
# A length scale for each feature, found on 1000 rows. Those of features that
# do not matter end at their upper bound, of which a fit warns.
import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from skopt2.gaussian_process import GaussianProcessRegressor

kernel = ConstantKernel(1.0, (0.1, 10.0)) * Matern(np.ones(10), (0.1, 100.0), nu=1.5)
kernel = kernel + WhiteKernel(0.1)
first = GaussianProcessRegressor(kernel, random_state=0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    kernel = first.fit(X[:1000], y[:1000]).kernel_
print(kernel)

# %%
# Time and error
# --------------
# Fit, then mean and standard deviation of 1000 rows. ``solver="auto"`` chooses by what
# it predicts the algorithms to take on this machine.
import time

from sklearn.gaussian_process import GaussianProcessRegressor as ExactProcess

sizes = {"scikit-learn": (500, 1000, 2000, 4000), "skopt2": (500, 1000, 2000, 4000)}
sizes["skopt2"] += (8000, 17_000)
seconds, errors, calls = {}, {}, {}
for name, counts in sizes.items():
    for n in counts:
        if name == "skopt2":
            model = GaussianProcessRegressor(
                kernel, optimizer=None, alpha=0.0, random_state=0
            )
        else:
            model = ExactProcess(kernel, optimizer=None, alpha=0.0)
        start = time.perf_counter()
        model.fit(X[:n], y[:n])
        mean, std = model.predict(X_test, return_std=True)
        seconds.setdefault(name, []).append(time.perf_counter() - start)
        errors.setdefault(name, []).append(np.sqrt(np.mean((mean - y_test) ** 2)))
        inside = np.mean(np.abs(y_test - mean) < 1.96 * std)
        calls[n] = getattr(model, "solver_", "")
        print(
            f"{name:<14}{n:>7,} rows{seconds[name][-1]:>8.2f} s   error "
            f"{errors[name][-1]:.3f}   95 % interval holds {inside:.1%}   {calls[n]}"
        )

# %%
import matplotlib.pyplot as plt

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for name, counts in sizes.items():
    left.loglog(counts, seconds[name], "o-", label=name)
    right.semilogx(counts, errors[name], "o-", label=name)
left.set(xlabel="rows", ylabel="seconds", title="Fit, and 1000 predictions")
right.set(xlabel="rows", ylabel="test error (RMSE)", title="What more rows give")
for n, solver in calls.items():
    if solver:
        place = sizes["skopt2"].index(n)
        left.annotate(
            solver,
            (n, seconds["skopt2"][place]),
            textcoords="offset points",
            xytext=(0, -12),
            ha="center",
            fontsize=7,
            color="C1",
        )
left.set_xlim(350, 25_000)
left.legend()
plt.show()

# %%
# **Try next:** ``solver="sdd"`` or ``"cg"`` for the largest size, whose certificate
# tells how far from the exact mean they stopped; or
# :class:`~skopt2.gaussian_process.SparseCholeskyGPRegressor` where features are few.
