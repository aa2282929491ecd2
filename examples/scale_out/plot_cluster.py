"""
Two workers, and the same numbers
=================================

Who did what, and when? A cluster of two processes is asked for two things: the folds of
a cross-validation, and the rows of a table that the process in front has no room for.
Both come back as they would from one process, and the scheduler's own records show how
the work was shared.

Workers import this file, and must not start a cluster in turn. So there are only
functions here, and the end is for the process that runs the file.
"""

import time

import joblib
import numpy as np
from distributed import Client, LocalCluster, get_task_stream, wait

from skopt2.linear_model import SparseRegressorCV, StreamingLinearRegressor

# %%
# **Many fits.** Each fold follows its path of levels alone. ``joblib.parallel_config``
# sends the folds to the cluster, and the code of the fit stays as it is.


def cross_validate(client):
    """Return the fits here and there, and the record of the folds."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 400))
    y = X[:, :10] @ rng.standard_normal(10) + 3.0 * rng.standard_normal(2000)
    model = SparseRegressorCV(penalty="mcp", alphas=40, eps=1e-2, cv=8)
    here = model.fit(X, y)
    with joblib.parallel_config("dask"), get_task_stream(client) as folds:
        there = SparseRegressorCV(**model.get_params()).fit(X, y)
    same = np.array_equal(here.scores_path_, there.scores_path_)
    print(f"scores of {here.alphas_.size} levels in 8 folds equal: {same}")
    return here, there, folds.data


# %%
# **Many rows.** Each block of this table is computed by a worker: here it is drawn and
# turned into features, elsewhere it would be read from a file. ``persist`` starts all
# of them; the fit takes one block after the other as they are ready, and holds no more
# than two.


def make_block(number):
    """Return random cosine features of points, and what is seen there."""
    rng = np.random.default_rng([1, number])
    points = rng.uniform(-2.0, 2.0, (10_000, 2))
    target = np.sin(2.0 * points[:, 0]) * points[:, 1]
    waves = np.random.default_rng(2).standard_normal((3, 100)) * 1.5
    X = np.cos(points @ waves[:2] + 4.0 * waves[2])
    return np.column_stack([X, target + 0.3 * rng.standard_normal(10_000)])


def learn_from_blocks(client):
    """Return the streams here and there, the record of the blocks, and the clock."""
    import dask
    import dask.array as da

    blocks = [
        da.from_delayed(dask.delayed(make_block)(k), (10_000, 101), float)
        for k in range(16)
    ]
    table = da.concatenate(blocks)
    model = StreamingLinearRegressor(alpha=0.0, random_state=0)
    with get_task_stream(client) as record:
        start = time.time()
        rows = table.persist()
        there = model.fit(rows[:, :100], rows[:, 100])
        clock = start, time.time()
        wait(rows)
    pieces = (make_block(k) for k in range(16))
    here = StreamingLinearRegressor(alpha=0.0, random_state=0)
    here.fit((piece[:, :100], piece[:, 100]) for piece in pieces)
    apart = np.abs(here.coef_ - there.coef_).max()
    print(f"coefficients after {there.n_samples_seen_:,} rows differ by {apart:.0e}")
    return here, there, record.data, clock


# %%
# The picture: a lane for each worker, a bar for each task.


def bars(records, name):
    """Return the worker, start and length of the tasks of one name."""
    return [
        (task["worker"], step["start"], step["stop"] - step["start"])
        for task in records
        if name in str(task["key"])
        for step in task["startstops"]
        if step["action"] == "compute"
    ]


def draw_lanes(ax, tasks, start, span, palette):
    """Draw the tasks of each worker, numbered in the order of their starts."""
    workers = sorted({worker for worker, _, _ in tasks})
    ordered = sorted(tasks, key=lambda task: task[1])
    for number, (worker, begin, length) in enumerate(ordered):
        lane = 2 - workers.index(worker)
        colour = palette(0.4 + 0.5 * number / len(ordered))
        ax.barh(lane, length, 0.7, begin - start, color=colour, edgecolor="white")
        if length > 0.02 * span:
            middle = begin - start + length / 2
            ax.text(middle, lane, number + 1, ha="center", va="center")


def draw(folds, blocks, clock):
    """Draw both pieces of work."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(
        2, figsize=(9, 5), layout="constrained", height_ratios=[2, 3]
    )
    top, bottom = axes
    tasks = bars(folds, "batch_of")
    first = min(begin for _, begin, _ in tasks)
    last = max(begin + length for _, begin, length in tasks)
    draw_lanes(top, tasks, first, last - first, plt.get_cmap("viridis"))
    top.set_title("Eight folds of a path")
    top.set_yticks([1, 2], ["worker 2", "worker 1"])
    length, palette = clock[1] - clock[0], plt.get_cmap("plasma")
    draw_lanes(bottom, bars(blocks, "make_block"), clock[0], length, palette)
    bottom.barh(0, length, 0.7, color="0.75")
    bottom.text(length / 2, 0, "learns from 160,000 rows", ha="center", va="center")
    bottom.set_title("Sixteen blocks of rows, and the fit that takes them")
    bottom.set_yticks([0, 1, 2], ["this process", "worker 2", "worker 1"])
    for ax in axes:
        ax.set_xlabel("seconds")
        ax.spines[["top", "right"]].set_visible(False)
    plt.show()


# %%
# Processes with one thread each: a nanny watches over each, and starts it again if it
# dies.

if __name__ == "__main__":
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs="ERROR"
    )
    with cluster, Client(cluster) as client:
        alone, folds, fold_record = cross_validate(client)
        pieces, stream, block_record, clock = learn_from_blocks(client)
    draw(fold_record, block_record, clock)

# %%
# A worker takes the next task when it has finished one; which it gets is up to the
# scheduler, and makes no difference to the numbers.
#
# **Try next:** ``Client("scheduler:8786")`` in the place of the two processes, for a
# cluster of machines; kill a worker in the middle, and see that the numbers stay; or a
# ``GridSearchCV`` around the path, whose fits send folds of their own
# (:ref:`scaling_out`).
