r"""Proximal cyclic block descent (P-CCD), for convex penalties and for MCP and SCAD.

Problem: min_w F(w) = f(w) + h(w) + r(w), f smooth, h smooth and concave, r convex and
separable, see :mod:`skopt2.solvers.composite`.
Symbols: j = 1 .. B the blocks, Lam the metric of :mod:`skopt2.solvers.column_blocks`;
w the latest values of all blocks.

    w_j <- prox of r_j at w_j - (grad_j f(w) + h'(w_j)) / Lam_j, with steps 1 / Lam_j

for one block after the other. The paper asks for a convex r; MCP and SCAD are

    pen(w) = lam * abs(w) + h(w),    h' = pen' - lam * sign(w),

the splitting of :mod:`skopt2.solvers.accelerated_gradient`. Taking the prox of the
penalty itself instead would need steps below 1 / rho, rho = 1 / gamma for MCP, which a
column of small norm does not have. A concave h lies below its tangents, so that the
splitting needs no such bound, and no curvature on top of that of f: along every block

    F(w_new) <= F(w) - |w_new - w|^2 / 2   in the metric.

The sequence is monotone, and after k cycles the shortest total move d of one of them
has |d|^2 <= 2 (F(w_0) - min F) / k: the gradient mapping falls like 1 / sqrt(k), which
is the theorem of the paper with our metric.

Source: X. Cai, C. Song, S. J. Wright and J. Diakonikolas, Cyclic block coordinate
descent with variance reduction for composite nonconvex optimization, ICML 2023,
arXiv:2212.05088, algorithm 1 (P-CCD).
"""

from dataclasses import replace

from skopt2.penalties import MCP, SCAD
from skopt2.penalties.base import soft_threshold
from skopt2.penalties.l1 import L1
from skopt2.solvers.block_method import CYCLES, BlockMethod

# Rows from which a product with one column takes longer than the call.
TALL = 10_000


class CyclicDescent(BlockMethod):
    """P-CCD.

    Parameters
    ----------
    problem : LinearProblem
        A loss of bounded curvature; a convex separable penalty, MCP or SCAD.
    tol : float
        Tolerance of the certificate.

    Raises
    ------
    ValueError
        If the method has no splitting of the penalty, or the loss no bounded curvature.
    """

    name = "p-ccd"

    def _refuse(self, penalty):
        refuse_unsplit(self.name, penalty)

    def _chosen_width(self):
        """Return 1 where single columns are long enough to be worth a call."""
        problem = self.problem
        design = problem.design
        # New values are used at once, and that counts for more the smaller a block is;
        # but another loss than the squared one is differentiated again after each.
        tall = problem.loss.is_quadratic and design.n >= TALL
        if self.width is None and tall and design.on_host and not design.sparse:
            return 1
        return self.width

    def _minimise(self, model, point, lam, goal, final):
        """Run the cycles; see FirstOrder."""
        blocks = self._partition(model)
        best, value = point, model.objective(point, lam)
        slack = self.slack(model, value)
        for _ in range(CYCLES):
            end, length = self.advance(blocks, best, lam)
            reached = model.objective(end, lam)
            # Beyond this only rounding, or an estimated eigenvalue, could raise it.
            if not reached <= value + slack:
                if blocks.exact:
                    break
                blocks.widen()
                continue
            best, value = end, reached
            if self.met(length, goal):
                break
        best = model.at(best.w, best.b)
        self.read(model, 1)
        return best

    def advance(self, blocks, point, lam):
        """Return the point after a cycle, and the length of its moves; waits.

        Parameters
        ----------
        blocks : ColumnBlocks
            Columns and metric.
        point : Point
            Before the cycle.
        lam : array of shape (m,) or (m, 1)
            Levels.
        """
        xp, model, problem = blocks.xp, blocks.model, self.problem
        w, b, eta = point.w, point.b, point.eta
        host, read = problem.design.on_host, 0
        moves, forces = [], []
        for block in blocks.blocks:
            part = block.part
            g = block.adjoint(xp, problem.weighted_gradient(eta))
            d = proximal_move(block, w[part], g, blocks.metric[part], lam[part])
            # On the host it costs nothing to see that a block stays where it is.
            if not host or d.any():
                eta = eta + block.times(d)
                read += part.stop - part.start
            moves.append(d)
            forces.append(xp.max(xp.abs(d) * blocks.metric[part]))
        length = float(xp.max(xp.stack(forces))) if forces else 0.0
        self.read(model, 1.0 + read / max(model.m, 1))
        if moves:
            w = w + xp.concat(moves)
        if model.explicit:
            e = -xp.sum(problem.weighted_gradient(eta), axis=0) / blocks.free
            b, eta = b + e, eta + e
            length = max(length, float(xp.max(xp.abs(e))) * blocks.free)
        return replace(point, w=w, b=b, eta=eta), length


def proximal_move(block, w, g, metric, lam):
    """Return the move of a block from w, where the gradient of f is g.

    Parameters
    ----------
    block : ColumnBlock
        Its penalty says which step.
    w, g : array of shape (d,) or (d, K)
        Coefficients and gradient.
    metric, lam : array of shape (d,) or (d, 1)
        Lam and the levels of the block.
    """
    penalty = block.penalty
    if penalty.convex:
        return penalty.prox(w - g / metric, 1.0 / metric, lam) - w
    g = g + concave_slope(penalty, w, lam)
    return soft_threshold(w - g / metric, lam / metric) - w


def concave_slope(penalty, w, lam):
    """Return h', the derivative of MCP or SCAD less that of lam * abs(w)."""
    return penalty.derivative(w, lam) - L1().derivative(w, lam)


def refuse_unsplit(name, penalty):
    """Raise ValueError unless a penalty is convex, MCP or SCAD."""
    if not penalty.convex and not isinstance(penalty, (MCP, SCAD)):
        raise ValueError(
            f"solver={name!r} has no splitting for the {penalty.name} penalty: it "
            "takes convex ones, 'mcp' and 'scad'; use solver='auto' for the others."
        )
