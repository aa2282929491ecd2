"""
Few labels, carried along a graph
=================================

Six labels for 600 samples are enough if the classes follow the shape of the data. The
values that a graph of the samples gives to the others are the minimum of a quadratic,
and blocks without cycles are the quick way down.
"""

# %%
# Six labels
# ----------
# Two half-moons. A graph joins each sample to its nearest neighbours, and the value of
# an unlabelled sample is the mean of those it is joined to. A classifier that sees the
# six labelled samples only draws a line between them.
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression

from skopt2.semi_supervised import GraphLabelPropagation

X, truth = make_moons(600, noise=0.11, random_state=1)
known = np.concatenate([np.flatnonzero(truth == c)[:3] for c in (0, 1)])
y = np.full(600, -1)
y[known] = truth[known]

propagated = GraphLabelPropagation(n_neighbors=10).fit(X, y)
line = LogisticRegression(C=100.0).fit(X[known], truth[known])
print(propagated.certificate_, "after", propagated.n_iter_, "iterations")

plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
colours = LinearSegmentedColormap.from_list("", ["#C8553D", "#E8E4DC", "#0B5FA5"])
panels = (
    ("Logistic regression on the six", line.predict_proba(X)[:, 1], line.predict(X)),
    (
        "Propagated along the graph",
        propagated.label_distributions_[:, 1],
        propagated.transduction_,
    ),
)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.1), sharex=True, sharey=True)
for ax, (title, p, labels) in zip(axes, panels, strict=True):
    dots = ax.scatter(*X.T, c=p, s=9, cmap=colours, vmin=0, vmax=1)
    ax.scatter(
        *X[known].T, c=truth[known], s=70, cmap=colours, edgecolor="black", marker="D"
    )
    share = np.mean(labels == truth)
    ax.set_title(f"{title}: {100 * share:.0f} % right", fontsize=9)
    ax.set_axis_off()
figure.colorbar(dots, ax=axes, label="probability of the blue class", fraction=0.03)
plt.show()

# %%
# Blocks without cycles
# ---------------------
# The values of one node follow from those of its neighbours. The values of many nodes
# follow from the rest in linear time too, if the graph has no cycle among them:
# messages run from the leaves to the roots and back. A lattice is covered by two such
# trees, and any graph by a few forests.
#
# 30 x 30 nodes, every twentieth with a label. One iteration of each method is cheap, at
# most proportional to the number of nodes: one node; one block of ten nodes, whose
# system takes about as many operations as a tree has; one of two trees; or a forest
# that is built of the nodes with the largest gradients. The last is what the estimator
# does: both trees there and back, with conjugate gradients, counted as three blocks.
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from skopt2.solvers.graph_blocks.conjugate import GraphConjugate
from skopt2.solvers.graph_blocks.descent import GraphDescent
from skopt2.solvers.graph_blocks.forest import ForestBlock
from skopt2.solvers.graph_blocks.partition import lattice_trees
from skopt2.solvers.graph_blocks.problem import graph_problem

side = 30
path = sp.diags_array(np.ones(side - 1), offsets=1)
edges = sp.kron(path, sp.eye_array(side)) + sp.kron(sp.eye_array(side), path)
lattice = sp.csr_array(edges + edges.T)
rng = np.random.default_rng(0)
fixed = rng.random(side**2) < 0.05
values = np.where(rng.random((fixed.sum(), 1)) < 0.5, 1.0, 0.0)
problem = graph_problem(lattice, fixed, values)
n = problem.B.shape[0]
best = spsolve(problem.A.tocsc(), problem.B)[:, None]
least = problem.energy(best, problem.residual(best))


def blocks_of(number):
    """Return the blocks of a partition."""
    parts = range(number.max() + 1)
    return [ForestBlock(problem.A, np.flatnonzero(number == i)) for i in parts]


def run(number, selection, n_iterations):
    """Return the error of the energy, and the updates of a node, by iteration."""
    blocks = blocks_of(number)
    solver = GraphDescent(problem, blocks, selection)
    state = solver.init(np.full(problem.B.shape, 0.5))
    error, updated = [problem.energy(state.F, state.R) - least], [0]
    for i in range(n_iterations):
        greedy = selection != "cyclic"
        block = solver.select(state) if greedy else blocks[i % len(blocks)]
        error.append(error[-1] - solver.update(state, block))
        updated.append(updated[-1] + block.nodes.size)
    return np.maximum(error, 1e-16) / error[0], np.array(updated) / n


trees, node = lattice_trees(side, side)[~fixed], np.arange(n)
methods = {
    "one node, largest gradient": (node, "gs", 15 * n, "#9AA2AB"),
    "ten nodes, most progress": (node // 10, "gsq", 15 * n // 10, "#C8553D"),
    "greedy forest": (trees, "variable", 100, "#2E8B57"),
    "two trees in turn": (trees, "cyclic", 100, "#0B5FA5"),
}
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
for name, (number, selection, count, colour) in methods.items():
    error, updates = run(number, selection, count)
    axes[0].semilogy(error[:101], color=colour, label=name)
    axes[1].semilogy(updates, error, color=colour)

fast = GraphConjugate(problem, blocks_of(trees))
state = fast.init(np.full(problem.B.shape, 0.5))
error = [problem.energy(state.F, state.R) - least]
while error[-1] > 1e-8 * error[0]:
    state = fast.step(state)
    error.append(problem.energy(state.F, state.R) - least)
step, error = np.arange(len(error)), np.array(error) / error[0]
axes[0].semilogy(3 * step, error, "k--", label="two trees, conjugate gradients")
axes[1].semilogy(1.5 * step, error, "k--")
axes[0].set(xlabel="iterations", ylabel="energy above the minimum (relative)")
axes[1].set(xlabel="updates of each node", xlim=(0, 15), ylim=(1e-8, 1.5))
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# By iterations the trees and forests are far ahead, as the left panel shows: nearly all
# nodes move in two of them. The right panel charges each method for the nodes that it
# updates. There the two trees go as fast as the best of all blocks of ten, though
# nobody searches for them, a greedy choice of single nodes falls behind, and the forest
# of the largest gradients, which leaves much of the graph alone, pays for the choice.
# Conjugate gradients are what makes the difference.
#
# **Try next:** ``n_neighbors=4``, until the graph falls apart; or ``bounds=(0.05,
# 0.95)``, which no score may leave, however far it is from a label.
