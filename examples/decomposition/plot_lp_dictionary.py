"""
Dictionaries without a penalty
==============================

Sparse coding looks for atoms of which every row needs only a few. Where there are no
more atoms than features, nothing has to be penalised: turn the data so that the l3 norm
of the codes is as large as possible, and they are sparse.
"""

# %%
# Edges of a photograph
# ---------------------
# Patches of 8 x 8 pixels of a grey picture, without their mean. An orthogonal
# dictionary, ``whiten=False``, is a basis like that of PCA or the cosines of JPEG, but
# turned so that few of its atoms make up a patch.
import time

import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.feature_extraction.image import extract_patches_2d

from skopt2.decomposition import LpDictionaryLearning

picture = load_sample_image("china.jpg")[:, :520].mean(axis=2) / 255.0
half = picture.shape[1] // 2
X = extract_patches_2d(picture[:, :half], (8, 8), max_patches=8_000, random_state=0)
X = X.reshape(len(X), 64)
X = X - X.mean(axis=1, keepdims=True)

start = time.process_time()
model = LpDictionaryLearning(63, p=3, whiten=False, random_state=0, tol=1e-4).fit(X)
seconds = time.process_time() - start
print(f"{model.n_iter_} steps, {model.certificate_}")
print("norm of the codes never falls:", np.diff(model.history_["objective"]).min() >= 0)

# %%
# The first atoms, those of the sparsest codes, are local edges and corners of all
# positions, as in the first layer of what sees; principal components are waves over
# the whole patch.
import matplotlib.pyplot as plt
from sklearn.decomposition import PCA

pca = PCA(63).fit(X)
plt.rcParams.update({"font.size": 9})
fig, axes = plt.subplots(1, 2, figsize=(8, 4.3), layout="constrained")
fig.get_layout_engine().set(wspace=0.08)
for ax, name, atoms in (
    (axes[0], "PCA", pca.components_),
    (axes[1], "LpDictionaryLearning", model.components_),
):
    tiles = np.full((7 * 9 - 1, 7 * 9 - 1), np.nan)
    for j, atom in enumerate(atoms[:49]):
        row, column = 9 * (j // 7), 9 * (j % 7)
        tile = atom.reshape(8, 8) / np.abs(atom).max()
        tiles[row : row + 8, column : column + 8] = tile
    ax.imshow(tiles, cmap="gray", vmin=-1, vmax=1)
    ax.set_title(name)
    ax.axis("off")
plt.show()

# %%
# Fewer codes for the same picture
# --------------------------------
# The other half of the picture, with only the largest codes of each patch kept. Sparse
# codes lose less: the dictionary was never told how many would be kept.
from scipy.fft import dctn, idctn

other = picture[:, half:][: 8 * 53, : 8 * (half // 8)]
rows, columns = other.shape[0] // 8, other.shape[1] // 8
new = other.reshape(rows, 8, columns, 8).swapaxes(1, 2).reshape(-1, 64)
means = new.mean(axis=1, keepdims=True)
new = new - means


def largest(codes, k):
    """Return codes with all but the k largest of each row set to zero."""
    cut = np.sort(np.abs(codes), axis=1)[:, -k][:, None]
    return np.where(np.abs(codes) >= cut, codes, 0.0)


def cosines(rows):
    """Return the cosine transform of patches."""
    return dctn(rows.reshape(-1, 8, 8), axes=(1, 2), norm="ortho").reshape(-1, 64)


def from_cosines(codes):
    """Return the patches of cosine codes."""
    return idctn(codes.reshape(-1, 8, 8), axes=(1, 2), norm="ortho").reshape(-1, 64)


bases = {
    "LpDictionaryLearning": (model.transform, model.inverse_transform),
    "cosines": (cosines, from_cosines),
    "PCA": (pca.transform, pca.inverse_transform),
}
kept = np.array([1, 2, 3, 4, 6, 8, 12, 16])
fig, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
for name, (forward, back) in bases.items():
    errors = [np.mean((back(largest(forward(new), k)) - new) ** 2) for k in kept]
    ax.plot(kept, -10 * np.log10(errors), "o-", label=name)
ax.set(xlabel="codes kept of 63", ylabel="signal to noise at the peak, dB")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()

# %%
# **Try next:** ``p=4``, the other power in use, which needs more patches for the same
# atoms; or ``whiten=True``, whose atoms are no longer orthogonal.
