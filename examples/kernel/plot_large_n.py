"""
A photo from a handful of its pixels
====================================

How much more do more rows teach, and what do they cost? Kernel ridge regression learns
the colours of a photo from pixels at random places: three targets, two features, and as
many rows as wanted.
"""

# %%
# The pixels
# ----------
# Of a photo that comes with scikit-learn, at half its size. Colours are from 0 to 1.
import numpy as np
from sklearn.datasets import load_sample_image

photo = load_sample_image("flower.jpg")[::2, ::2] / np.float32(255.0)
height, width, _ = photo.shape
places = np.stack(np.mgrid[:height, :width], axis=-1).reshape(-1, 2)
places = places.astype(np.float32)
colours = photo.reshape(-1, 3)
order = np.random.default_rng(0).permutation(len(places))
test = order[:3000]
print(f"{len(places):,} pixels, {len(test):,} of them to test")

# %%
# Two ways to the same function
# -----------------------------
# ``KernelRidge`` takes scikit-learn's name for the same kernel, exp(-r), and factorises
# the matrix of all pairs in float64. ``EigenProRegressor`` does that too as long as it
# pays, here in the float32 of the pixels. For a quarter of the photo the matrix would
# exceed scikit-learn's ``working_memory``, and blocks of equations are solved one after
# the other, of a matrix that is never stored. A residual of 1 % is enough, as the
# errors show.
#
# Kernel models have no intercept. Grey, the middle of the colours, is subtracted, and
# is what they predict far from all data.
import time

from sklearn.gaussian_process.kernels import Matern
from sklearn.kernel_ridge import KernelRidge

from skopt2.kernel_machine import EigenProRegressor

scale, alpha = 30.0, 0.01
models = {
    "KernelRidge": (
        KernelRidge(kernel=Matern(length_scale=scale, nu=0.5), alpha=alpha),
        (500, 1000, 2000, 4000),
    ),
    "EigenPro": (
        EigenProRegressor(
            "laplacian", length_scale=scale, alpha=alpha, tol=1e-2, random_state=0
        ),
        (500, 1000, 2000, 4000, 8000, 17120),
    ),
}
seconds = {name: [] for name in models}
errors = {name: [] for name in models}
learned = {}
print(f"{'model':12s}      n  seconds   error")
for name, (model, sizes) in models.items():
    for n in sizes:
        rows = order[-n:]
        start = time.process_time()
        model.fit(places[rows], colours[rows] - 0.5)
        seconds[name].append(time.process_time() - start)
        off = model.predict(places[test]) + 0.5 - colours[test]
        errors[name].append(np.sqrt(np.mean(off**2)))
        note = ""
        if name == "EigenPro":
            note = f"{model.solver_}, residual {model.certificate_.value:.0e}"
            if n in (1000, 4000, 17120):
                learned[n] = model.predict(places) + 0.5
        row = f"{name:12s} {n:6d} {seconds[name][-1]:7.2f}s {errors[name][-1]:7.4f}"
        print(f"{row}  {note}".rstrip())

# %%
# What the rows teach
# -------------------
# Above the pixels that the model saw, below what it made of them. At the right the
# photo itself, and where the last model is wrong: along the edges, which no smooth
# function can guess from afar.
import matplotlib.pyplot as plt

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
fig, axes = plt.subplots(2, 4, figsize=(12, 4.3), layout="constrained")
for (above, below), (n, values) in zip(axes.T, learned.items(), strict=False):
    seen = np.ones_like(colours)
    seen[order[-n:]] = colours[order[-n:]]
    above.imshow(seen.reshape(photo.shape))
    above.set_title(f"{n:,} pixels, {n / len(places):.1%}")
    below.imshow(values.clip(0.0, 1.0).reshape(photo.shape))
axes[0, 3].set_title("all pixels")
axes[0, 3].imshow(photo)
off = np.linalg.norm(learned[17120] - colours, axis=1)
axes[1, 3].imshow(off.reshape(height, width), cmap="Greys", vmin=0.0, vmax=0.5)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="#D3D7DC")
plt.show()

# %%
# What they cost
# --------------
# Both fit the same function, so their errors are the same. Twice as many rows take away
# a seventh of the error, with no end in sight. The matrix of all pairs takes 128 MB in
# float64 at 4,000 rows and 2.3 GB at 17,120, and its factorisation eight times as long
# for twice as many rows. Blocks take four times as long, and little memory.
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
styles = {"KernelRidge": ("#7A828C", "s", 7), "EigenPro": ("#0B5FA5", "o", 4)}
for name, (color, marker, size) in styles.items():
    style = {"color": color, "marker": marker, "markersize": size, "label": name}
    sizes = models[name][1]
    left.plot(sizes, errors[name], **style)
    right.plot(sizes, seconds[name], **style)
ahead = np.array([4000, 17120])
cubic = seconds["KernelRidge"][-1] * (ahead / 4000) ** 3
right.plot(ahead, cubic, ":", color="#7A828C", label="as the cube of the rows")
left.set(ylabel="root mean squared error of unseen pixels")
right.set(ylabel="seconds to fit")
for ax in (left, right):
    ax.set(xscale="log", yscale="log", xlabel="rows")
    ax.set_xticks([500, 1000, 2000, 4000, 8000, 17120], minor=False)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.minorticks_off()
    ax.grid(color="#D3D7DC", linewidth=0.6)
    ax.legend(frameon=False)
left.set_yticks(
    [0.05, 0.06, 0.07, 0.08, 0.09], ["0.05", "0.06", "0.07", "0.08", "0.09"]
)
plt.show()

# %%
# **Try next:** ``length_scale=[30.0, 15.0]``, one unit for each feature; the kernel
# ``Matern(nu=1.5)``, whose functions are smoother than photos are; or twice as many
# rows, for which the time above tells how long to wait.
