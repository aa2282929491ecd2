"""
Watching, stopping and resuming a fit
=====================================

Callbacks follow a fit while it runs: a progress bar and a log, an interruption and the
way back from it, and a stop when the score on held-out data no longer improves.
"""

# %%
# A bar and a log
# ---------------
# Callbacks are scikit-learn's: its own progress bar works beside those of
# :mod:`skopt2.callbacks`. There is one line for every certificate check.
import numpy as np
from sklearn.callback import ProgressBar
from sklearn.model_selection import train_test_split

from skopt2.callbacks import Checkpoint, EarlyStopping, TextLog
from skopt2.datasets import make_sparse_regression
from skopt2.linear_model import SparseRegressor

X, y, coef = make_sparse_regression(
    700, 5000, n_informative=40, rho=0.6, snr=4.0, random_state=0
)
X, X_val, y, y_val = train_test_split(X, y, test_size=200, random_state=0)
model = SparseRegressor(alpha=0.08, tol=1e-8)
watched = model.set_callbacks(ProgressBar(), TextLog()).fit(X, y)

# %%
# The power cut
# -------------
# A checkpoint file belongs to one fit. Here something goes wrong after four iterations;
# the state of the last completed one is on disk.
import tempfile
from pathlib import Path


class PowerCut:
    """A callback that interrupts the fit after some iterations."""

    def __init__(self, after):
        self.after = after

    def setup(self, estimator, context):
        """Nothing to prepare."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing to do yet."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Interrupt once enough iterations are done."""
        if getattr(fitted_estimator, "n_iter_", 0) >= self.after:
            raise KeyboardInterrupt

    def teardown(self, estimator, context):
        """Nothing to clean up."""


folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "fit.npz"
first_try = SparseRegressor(alpha=0.08, tol=1e-8)
first_try.set_callbacks(Checkpoint(file, min_seconds=0), PowerCut(after=4))
try:
    first_try.fit(X, y)
except KeyboardInterrupt:
    print(f"interrupted; {file.name} has {file.stat().st_size / 1024:.0f} KiB")

# %%
# The way back is to run the same lines again, in this process or in another one. The
# fit goes on at iteration 5 and ends where the undisturbed one did. (It can take a step
# more on the way: the file holds the solution so far, not the factorisations that the
# lost process had in memory.)
resumed = SparseRegressor(alpha=0.08, tol=1e-8)
resumed.set_callbacks(Checkpoint(file), TextLog()).fit(X, y)
print(f"largest difference: {np.abs(resumed.coef_ - watched.coef_).max():.1e}")
folder.cleanup()

# %%
# Stopping early
# --------------
# The solver approaches ``alpha`` from above, so that its iterates are models of growing
# size. A score on held-out data says when enough is enough.
stopping = EarlyStopping(X_val=X_val, y_val=y_val, patience=2, keep_best=True)
stopped = SparseRegressor(alpha=0.08, tol=1e-8).set_callbacks(stopping).fit(X, y)
print(f"{stopped.stop_reason_} after {stopped.n_iter_} iterations")
print(f"R2 on held-out data: {watched.score(X_val, y_val):.3f} without a stop,")
print(f"{stopping.best_score_:.3f} at iteration {stopping.best_iteration_}")

# %%
# What was recorded
# -----------------
# Left: ``history_`` of the undisturbed and of the interrupted fit, whose clock stands
# still in between. Right: the score at every check, with the number of features in the
# model; a second early stopping without patience to lose has recorded the rest.
import matplotlib.pyplot as plt

from skopt2.inspection import ConvergenceDisplay

recording = EarlyStopping(X_val=X_val, y_val=y_val, patience=1000)
model.set_callbacks(recording).fit(X, y)

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
ConvergenceDisplay.from_estimators(
    {"undisturbed": watched, "interrupted": resumed}, ax=left
)
left.axvline(4.5, color="#C8553D", linewidth=1, linestyle="--")
left.annotate(
    "power cut",
    (4.5, 1),
    (5, -4),
    xycoords=("data", "axes fraction"),
    textcoords="offset points",
    color="#C8553D",
    va="top",
)

run, end = recording.runs_[0], stopped.n_iter_
right.plot(run.iterations, run.scores, "o-", color="#D3D7DC", markersize=5)
right.plot(run.iterations[:end], run.scores[:end], "o-", color="#0B5FA5", markersize=5)
right.plot(
    stopping.best_iteration_,
    stopping.best_score_,
    "o",
    color="#0B5FA5",
    markersize=12,
    fillstyle="none",
)
for iteration, score, size in zip(
    run.iterations, run.scores, model.history_["support"], strict=True
):
    right.annotate(
        f"{size}", (iteration, score), (0, 9), textcoords="offset points", ha="center"
    )
right.set(xlabel="iteration", ylabel="R2 on held-out data")
right.set_title("stopped at the last blue dot, best at the ring", loc="left")
right.margins(y=0.1)
plt.show()

# %%
# **Try next:** put the model into a ``GridSearchCV`` and register the callbacks on the
# search: the bar, the log and the early stopping reach every fit below it.
