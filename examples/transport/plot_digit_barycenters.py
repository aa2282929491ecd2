"""
Averages that keep their shape
==============================

The mean of many pictures is a blur wherever the pictures do not lie on top of each
other. The Wasserstein barycentre averages where the ink lies instead, so that the mean
of many threes is a three.
"""

# %%
# Digits that wander over the page
# --------------------------------
# The digits of scikit-learn, drawn twice as large, each at a random place on a page of
# 28 x 28 pixels. A page is a histogram: how much of the ink is where.
import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

digits = load_digits()
rng = np.random.default_rng(0)
side, per_digit = 28, 40
pages = {}
for digit in range(10):
    drawn = digits.images[digits.target == digit][:per_digit]
    pages[digit] = np.zeros((per_digit, side, side))
    for page, image in zip(pages[digit], drawn, strict=True):
        i, j = rng.integers(0, side - 15, size=2)
        page[i : i + 16, j : j + 16] = zoom(image, 2, order=1).clip(0.0)
    pages[digit] /= pages[digit].sum(axis=(1, 2), keepdims=True)

# %%
# One barycentre for each digit
# -----------------------------
# ``cost="grid"`` says that the bins are pixels of a square image: moving ink costs the
# squared distance. ``reg`` is in units of the mean cost. The blur of the regularisation
# is taken away again, which is what ``debiased=True``, the default, does.
from skopt2.transport import WassersteinBarycenter

fits = {
    digit: WassersteinBarycenter(reg=0.003, cost="grid").fit(some.reshape(-1, side**2))
    for digit, some in pages.items()
}
for digit in (0, 3, 8):
    fit = fits[digit]
    print(f"{digit}: {fit.certificate_} after {fit.n_iter_} steps, {fit.stop_reason_}")

# %%
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})


def show(ax, ink):
    """Draw one page."""
    ax.imshow(ink.reshape(side, side), cmap="magma")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


fig, axes = plt.subplots(3, 10, figsize=(12, 3.9), layout="constrained")
for digit, some in pages.items():
    show(axes[0, digit], some[0])
    show(axes[1, digit], some.mean(axis=0))
    show(axes[2, digit], fits[digit].barycenter_)
for ax, name in zip(
    axes[:, 0], ("one of 40 pages", "arithmetic mean", "barycentre"), strict=True
):
    ax.set_ylabel(name)
plt.show()

# %%
# The places average out to the middle of the page, and the strokes to a stroke.
#
# Clusters whose centres are digits
# ---------------------------------
# k-means has the same trouble in every cluster: it compares pages pixel by pixel, and
# its centres are arithmetic means. :class:`~skopt2.transport.WassersteinKMeans` goes by
# transport in both places. The pages of one digit, in four clusters:
from sklearn.cluster import KMeans

from skopt2.transport import WassersteinKMeans

threes = pages[3].reshape(-1, side**2)
blurred = KMeans(4, n_init=10, random_state=0).fit(threes)
sharp = WassersteinKMeans(4, reg=0.003, cost="grid", random_state=0).fit(threes)
print(f"{sharp.certificate_} after {sharp.n_iter_} iterations: {sharp.stop_reason_}")
print("mean distance", np.round(sharp.history_["objective"], 2), "square pixels")

fig, axes = plt.subplots(2, 4, figsize=(6.4, 3.7), layout="constrained")
for row, fit in zip(axes, (blurred, sharp), strict=True):
    # From the top of the page to its bottom.
    height = fit.cluster_centers_.reshape(4, side, side).sum(axis=2) @ np.arange(side)
    order = np.argsort(height / fit.cluster_centers_.sum(axis=1))
    for ax, j in zip(row, order, strict=True):
        show(ax, fit.cluster_centers_[j])
        ax.set_title(f"{(fit.labels_ == j).sum()} pages")
    row[0].set_ylabel(type(fit).__name__)
plt.show()

# %%
# Both find places: a shift moves all of the ink, another hand only some of it. But
# every centre of the second row is a three that could have been written. Its iterations
# never increase the mean distance.
#
# **Try next:** ``debiased=False``, which shows the blur that the default takes away, or
# pages without the shifts, where the clusters are styles of writing.
