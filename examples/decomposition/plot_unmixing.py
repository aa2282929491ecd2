"""
Spectra of a scene with faulty channels
=======================================

Each pixel of a hyperspectral picture is a mixture of a few materials. Some channels
carry no signal: water absorbs, or the sensor fails. Squared errors try to explain them
all the same, and the spectra suffer.
"""

# %%
# A scene
# -------
# Four materials in patches that blend into each other, 80 channels, a little noise, and
# twelve channels that are nothing but noise.
import numpy as np

rng = np.random.default_rng(3)
side, C, k = 40, 80, 4
x = np.linspace(0.0, 1.0, C)
bumps = [
    np.exp(-0.5 * ((x - centre) / width) ** 2)
    for centre, width in zip(rng.random(16), rng.uniform(0.05, 0.2, 16), strict=True)
]
spectra = 0.2 + 0.35 * (rng.random((4, 4, 1)) * np.reshape(bumps, (4, 4, C))).sum(1)

rows, columns = np.mgrid[:side, :side] / side
centres = rng.random((10, 2))
near = np.stack([-60 * ((rows - a) ** 2 + (columns - b) ** 2) for a, b in centres])
share = np.exp(near - near.max(axis=0)).reshape(10, -1)
planted = np.stack([share[j::k].sum(axis=0) for j in range(k)], axis=1)
planted = np.where(planted < 0.05 * planted.sum(axis=1, keepdims=True), 0.0, planted)
planted /= planted.sum(axis=1, keepdims=True)

X = planted @ spectra + 0.01 * rng.standard_normal((side * side, C))
faulty = np.sort(rng.choice(C, 12, replace=False))
X[:, faulty] = rng.random((side * side, 12))
X = np.maximum(X, 0.0)

# %%
# Two ways to unmix it
# --------------------
# NMF has squared errors, and its codes are divided by their sums to be shares.
# ``SpectralUnmixer`` takes the norm of the error of each channel, keeps the sums at
# one, and asks for few materials in a pixel.
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import NMF

from skopt2.decomposition import SpectralUnmixer

ours = SpectralUnmixer(k).fit(X)
print(f"{ours.certificate_} after {ours.n_iter_} sweeps")
nmf = NMF(k, init="nndsvda", max_iter=1000, random_state=0)
codes = nmf.fit_transform(X)
good = np.setdiff1d(np.arange(C), faulty)


def matched(S, A):
    """Return spectra and shares in the order of the planted ones, and their errors."""
    unit = [
        M[:, good] / np.linalg.norm(M[:, good], axis=1)[:, None] for M in (S, spectra)
    ]
    angle = np.degrees(np.arccos(np.clip(unit[1] @ unit[0].T, -1, 1)))
    i, j = linear_sum_assignment(angle)
    rmse = np.sqrt(np.mean((A[:, j] - planted) ** 2))
    return S[j], A[:, j], angle[i, j].mean(), rmse


found = {
    "SpectralUnmixer": matched(ours.components_, ours.transform(X)),
    "NMF": matched(nmf.components_, codes / codes.sum(axis=1, keepdims=True)),
}
for name, (_, _, angle, rmse) in found.items():
    print(f"{name}: {angle:.2f} degrees from the spectra, shares off by {rmse:.3f}")

# %%
# Where each material is
# ----------------------
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})
fig, axes = plt.subplots(3, k, figsize=(8, 6), layout="constrained")
maps = {"planted": planted, **{name: A for name, (_, A, _, _) in found.items()}}
for row, (name, A) in zip(axes, maps.items(), strict=True):
    for ax, share in zip(row, A.T, strict=True):
        ax.imshow(share.reshape(side, side), cmap="viridis", vmin=0.0, vmax=1.0)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
plt.show()

# %%
# Spectra, faulty channels and the guidance map
# ---------------------------------------------
# The error of each channel says which ones were left out of account. The map is large
# where pixels are nearly pure.
fig, (left, middle, right) = plt.subplots(
    1, 3, figsize=(10, 3.2), layout="constrained", width_ratios=(3, 3, 2)
)
for j in range(k):
    left.plot(good, spectra[j, good], color=f"C{j}", lw=4, alpha=0.3)
    left.plot(good, found["SpectralUnmixer"][0][j, good], color=f"C{j}", lw=1)
left.set(xlabel="channel", title="spectra: planted (wide) and found")
middle.semilogy(ours.channel_errors_, color="0.3", lw=1)
middle.semilogy(faulty, ours.channel_errors_[faulty], "o", ms=4, label="faulty")
middle.set(xlabel="channel", title="error of the channel")
middle.legend(loc="center right", framealpha=1.0)
shown = right.imshow(ours.guidance_.reshape(side, side), cmap="cividis")
right.set(xticks=[], yticks=[], title="guidance map")
fig.colorbar(shown, ax=right, shrink=0.8)
for ax in (left, middle):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# **Try next:** ``p=1``, which listens to the faulty channels a little more; or
# ``guidance=0.0``, and compare the maps where materials blend.
