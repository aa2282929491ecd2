"""
Matching two clouds that share no coordinates
=============================================

A spiral in the plane and a spiral in space have no distance from one to the other. But
each has distances within itself, and Gromov-Wasserstein transport matches points so
that these agree.
"""

# %%
# A spiral, and another one somewhere in space
# --------------------------------------------
# Both are drawn anew, and the second one is bent a little, turned at random and shaken.
# Nobody says which point is which; ``along`` is kept for the judgement.
import numpy as np

rng = np.random.default_rng(0)


def spiral(n):
    """Return places along an arm that becomes wider, and its points in the plane."""
    along = np.sort(rng.random(n))
    angle, radius = 1.0 + 8.0 * along, 0.25 + along
    points = radius[:, None] * np.c_[np.cos(angle), np.sin(angle)]
    return along, points + 0.02 * rng.standard_normal((n, 2))


along, X = spiral(260)
truth, flat = spiral(220)
bent = np.c_[flat, 0.25 * flat[:, 0] ** 2]
turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
Y = bent @ turn + 0.02 * rng.standard_normal((220, 3)) + 5.0

# %%
# From a blur to a match
# ----------------------
# The problem is not convex: with a small regularisation the end depends on the start.
# So begin with a large one, and pass each plan on as the start of the next. Every
# result says how far it can be from a stationary plan, and how many steps it took.
from skopt2.transport import gromov_wasserstein

plans, start = {}, None
for reg in (10.0, 1.0, 0.1, 0.01):
    plans[reg] = result = gromov_wasserstein(
        X, Y, reg=reg, metric="sqeuclidean", start=start
    )
    start = result.plan
    # Where the points of space come from, on average.
    origin = result.plan.T @ along / result.plan.sum(axis=0)
    print(
        f"reg {reg:<5g} cost {result.cost:.3f}  {result.certificate}, "
        f"{result.n_iter:2d} steps; off by {abs(origin - truth).mean():.3f} of the arm"
    )

# %%
# The plan carries the colours of the plane to space: each point there gets the mean
# colour of the points whose mass it receives.
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})


def in_space(ax, points, color, elev, azim):
    """Draw points in space, seen from a direction in degrees."""
    ax.scatter(*points.T, c=color, s=14, depthshade=False)
    ax.set_box_aspect(np.ptp(points, axis=0), zoom=1.3)
    ax.view_init(elev=elev, azim=azim)
    ax.set_axis_off()


def carried(plan, color):
    """Return the mean colours that a plan brings to the second space."""
    return (plan.T @ color / plan.sum(axis=0)[:, None]).clip(0.0, 1.0)


# Seen from the side, but not along the plane of the arm.
normal = turn[2]
elev = np.degrees(np.arcsin(normal[2])) - 25.0
azim = np.degrees(np.arctan2(normal[1], normal[0])) + 25.0
color = plt.get_cmap("turbo")(along)
fig = plt.figure(figsize=(12, 3.3), layout="constrained")
ax = fig.add_subplot(1, 4, 1)
ax.scatter(*X.T, c=color, s=14)
ax.set_title("the plane", loc="left")
ax.set(aspect="equal")
ax.set_axis_off()
for k, reg in enumerate((10.0, 1.0, 0.01)):
    ax = fig.add_subplot(1, 4, 2 + k, projection="3d")
    in_space(ax, Y, carried(plans[reg].plan, color), elev, azim)
    ax.set_title(f"space, reg {reg:g}", loc="left")
plt.show()

# %%
# At ``reg`` 10 everything goes everywhere, at 1 the arm is there, at 0.1 its order.
# Below that the match follows how the points happened to be drawn.
#
# Which distances
# ---------------
# A strip of paper is rolled up. In space its layers touch, so straight distances
# compare the strip with a disc; a walk along the paper still has the lengths of the
# flat strip. Here the walks go from neighbour to neighbour, and Gromov-Wasserstein
# takes their lengths as a matrix: any costs within a space will do.
from scipy.sparse.csgraph import shortest_path
from sklearn.neighbors import kneighbors_graph


def paper(n):
    """Return points of a flat strip, and the same points of it rolled up."""
    angle = np.sqrt(np.linspace(4.0, 100.0, n)) + 0.1 * rng.standard_normal(n)
    width = rng.random(n)
    length = 0.5 * angle**2 / 10.0
    return (
        np.c_[length, width],
        np.c_[0.1 * angle * np.cos(angle), 0.1 * angle * np.sin(angle), width],
    )


def walks(points):
    """Return the lengths of walks from neighbour to neighbour."""
    graph = kneighbors_graph(points, 8, mode="distance")
    return shortest_path(graph, directed=False)


def match(Cx, Cy, **options):
    """Return the plan at the end of a sequence of ever smaller regularisations."""
    start = None
    for reg in (1.0, 0.1, 0.01):
        result = gromov_wasserstein(Cx, Cy, reg=reg, start=start, **options)
        start = result.plan
    return result


sheet, _ = paper(400)
_, roll = paper(400)
flat_walks, rolled_walks = walks(sheet), walks(roll)
matches = {
    "straight distances": match(sheet, roll, metric="euclidean"),
    "walks along the paper": match(flat_walks, rolled_walks),
}

# %%
# Walks do not tell one end of the strip from the other: to turn it round costs nothing.
# Fused transport adds costs between the spaces, and little is enough. Say that the
# first point of the strip, at its end, is known to be the first of the roll: pairs
# should be as far from the one as from the other.
M = (flat_walks[0][:, None] - rolled_walks[0]) ** 2
matches["walks, one pair known"] = match(flat_walks, rolled_walks, M=M, alpha=0.9)
for name, result in matches.items():
    print(f"{name:<22} mismatch {result.quadratic_cost:.4f}, {result.certificate}")

# %%
length, width = (sheet / sheet.max(axis=0)).T
color = plt.get_cmap("turbo")(length)
color[:, :3] *= 0.45 + 0.55 * width[:, None]
fig = plt.figure(figsize=(12, 4.8), layout="constrained")
grid = fig.add_gridspec(2, 3, height_ratios=(1, 3))
ax = fig.add_subplot(grid[0, :])
ax.scatter(*sheet.T, c=color, s=14)
ax.set_title("the strip", loc="left")
ax.set(aspect="equal")
ax.set_axis_off()
for k, (name, result) in enumerate(matches.items()):
    ax = fig.add_subplot(grid[1, k], projection="3d")
    in_space(ax, roll, carried(result.plan, color), 65.0, -70.0)
    ax.set_title(f"the roll, by {name}", loc="left")
plt.show()

# %%
# By straight distances the strip is folded: its blue end lies in the middle of the
# paper. By walks the colours follow the paper, from the wrong end until one pair is
# known.
#
# **Try next:** ``proximal=True``, whose plan is sharp without a small ``reg``, or costs
# of your own: shortest paths of two graphs, correlations of two sets of genes, with
# ``loss="kl"`` where they are positive.
