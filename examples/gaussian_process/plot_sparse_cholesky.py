"""
A map from scattered measurements
=================================

Measurements at thousands of places, a map of what they say in between, and of how sure
it is: a Gaussian process does it, in time that grows with the cube of their number.
With a sparse inverse Cholesky factor the time grows in proportion, and little is lost.
"""

# %%
# Measurements of a surface
# -------------------------
# A surface with valleys of several sizes is measured at 9,000 places, with noise. The
# places follow the tracks of a satellite, so that strips in between are empty, and
# clouds hide two regions.
import numpy as np

rng = np.random.default_rng(0)


def surface(X):
    """Return the height of the surface."""
    u, v = X.T
    ridges = np.sin(9.0 * u + 3.0 * np.sin(4.0 * v)) * np.cos(7.0 * v)
    return ridges + 0.4 * np.sin(31.0 * u) * np.sin(23.0 * v)


tracks = rng.integers(0, 20, 9_000) / 20
v = rng.uniform(size=9_000)
u = (tracks + 0.3 * v + 0.006 * rng.normal(size=9_000)) % 1.0
X = np.stack([u, v], axis=1)
hidden = ((X - [0.3, 0.62]) ** 2).sum(axis=1) < 0.02
hidden |= ((X - [0.78, 0.25]) ** 2).sum(axis=1) < 0.012
X = X[~hidden]
y = surface(X) + 0.3 * rng.normal(size=len(X))

# %%
# The map
# -------
# The length scales, the variance and the noise come from the likelihood of the sparse
# factor. The certificate says how exactly the posterior mean was solved for.
from skopt2.gaussian_process import SparseCholeskyGPRegressor

model = SparseCholeskyGPRegressor(n_neighbors=25, random_state=0).fit(X, y)
print(f"{len(X)} rows: {model.kernel_}")
print(f"{model.n_iter_} iterations: {model.certificate_}")

side = np.linspace(0, 1, 120)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
mean, std = model.predict(grid, return_std=True)

# %%
# The standard deviation that ``predict`` returns is that of a new measurement. Without
# the noise it is that of the surface, most of which should lie within two of them.
noise = model.kernel_.k2.noise_level
sure = np.sqrt(std**2 - noise)
inside = np.abs(mean - surface(grid)) < 2 * sure
print(f"noise {noise**0.5:.3f}, and {inside.mean():.1%} of the surface inside the band")

# %%
# The second picture is the mean, the third the standard deviation: it is large where
# clouds hid the surface, and the tracks show.
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})
pictures = {
    "measurements": None,
    "posterior mean": mean,
    "standard deviation": sure,
}
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.7), layout="constrained")
for ax, (title, values) in zip(axes, pictures.items(), strict=True):
    style = {"cmap": "RdBu_r", "vmin": -1.7, "vmax": 1.7}
    if values is None:
        shown = ax.scatter(*X.T, c=y, s=1.2, linewidths=0, **style)
    else:
        if values is sure:
            style = {"cmap": "viridis", "vmin": 0.0}
        shown = ax.imshow(
            values.reshape(120, 120), origin="lower", extent=(0, 1, 0, 1), **style
        )
    ax.set(title=title, xticks=[], yticks=[], aspect="equal")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    fig.colorbar(shown, ax=ax, shrink=0.85)

# %%
# How many neighbours
# -------------------
# The exact process, on a sample of 1000 rows that it can afford, and the sparse one
# with the same kernel. Its mean differs by a small part of the standard deviation, a
# part that falls quickly with the number of neighbours. A fit to the nearest rows alone
# loses more with the same number of neighbours, for distant rows say something too.
from sklearn.gaussian_process import GaussianProcessRegressor

few = rng.choice(len(X), 1000, replace=False)
places = rng.uniform(size=(300, 2))
exact = GaussianProcessRegressor(model.kernel_, optimizer=None).fit(X[few], y[few])
want, spread = exact.predict(places, return_std=True)
spread = np.sqrt(spread**2 - noise)


def local_mean(m):
    """Exact process of the m nearest rows of each place."""
    found = np.empty(len(places))
    for i, place in enumerate(places):
        near = few[np.argsort(((X[few] - place) ** 2).sum(axis=1))[:m]]
        K = model.kernel_(X[near])
        k = model.kernel_(place[None], X[near])[0]
        found[i] = k @ np.linalg.solve(K, y[near])
    return found


sizes, errors, local = [5, 10, 15, 20, 30, 40], [], []
for m in sizes:
    sparse = SparseCholeskyGPRegressor(model.kernel_, optimizer=None, n_neighbors=m)
    error = sparse.fit(X[few], y[few]).predict(places) - want
    errors.append(np.sqrt(np.mean((error / spread) ** 2)))
    local.append(np.sqrt(np.mean(((local_mean(m) - want) / spread) ** 2)))

fig, ax = plt.subplots(figsize=(5.4, 3.3), layout="constrained")
ax.semilogy(sizes, local, "s-", color="#9AA1AB", label="nearest rows alone")
ax.semilogy(sizes, errors, "o-", color="#2F6DB5", label="sparse inverse Cholesky")
ax.set(xlabel="neighbours", ylabel="error of the mean / std")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %%
# A map of probabilities
# ----------------------
# The same for classes: is the surface above 0.3? Each place gives one yes or no, wrong
# near the border half of the time, as the noise will have it.
from skopt2.gaussian_process import SparseCholeskyGPClassifier

above = y > 0.3
classifier = SparseCholeskyGPClassifier(n_neighbors=12, random_state=0).fit(X, above)
p = classifier.predict_proba(grid)[:, 1]
print(f"{classifier.n_iter_} steps: {classifier.certificate_}")
right = classifier.predict(grid) == (surface(grid) > 0.3)
print(f"{right.mean():.1%} of the map on the right side")

fig, (left, ax) = plt.subplots(1, 2, figsize=(7.6, 3.7), layout="constrained")
colours = np.where(above, "#B5402F", "#2F6DB5")
left.scatter(*X.T, c=colours, s=1.2, linewidths=0)
shown = ax.imshow(
    p.reshape(120, 120),
    origin="lower",
    extent=(0, 1, 0, 1),
    cmap="RdBu_r",
    vmin=0,
    vmax=1,
)
truth = surface(grid).reshape(120, 120)
ax.contour(side, side, truth, levels=[0.3], colors="black", linewidths=0.7)
left.set(title="above 0.3, or not", xlim=(0, 1), ylim=(0, 1))
ax.set(title="probability, and the border")
for one in (left, ax):
    one.set(xticks=[], yticks=[], aspect="equal")
fig.colorbar(shown, ax=ax, shrink=0.85)
plt.show()

# %%
# **Try next:** ``n_neighbors=5`` and ``60``, and compare the maps; or
# ``likelihood="probit"`` for the classes, whose tails are lighter.
