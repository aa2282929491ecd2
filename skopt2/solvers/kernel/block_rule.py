"""What the algorithms of block descent have to say to their engine.

Each of them is a direction and a momentum; the loop around them, the residual estimate
and the guard are those of :mod:`skopt2.solvers.kernel.engine`, whose symbols these are.
"""


class BlockRule:
    """What an algorithm adds to the engine: direction and momentum.

    Attributes
    ----------
    name : str
        Of the algorithm.
    batch_size : int
        Rows of a block.
    step_size : float
        Along the direction; the guard halves it.
    jitter : float
        What was added to diagonals, in the units of the kernel.
    n_components : int or None
        Rank of a preconditioner.
    smoothing : float
        Share of a new gradient in the residual estimate. The residual is affine, so
        rows that are averaged as the iterates are estimate the residual of the average.
    growth : float
        Growth of the residual from which the guard takes the step to be too long.
    """

    name = ""
    batch_size = 1
    step_size = 1.0
    jitter = 0.0
    n_components = None
    smoothing = 1.0
    growth = 10.0

    def begin(self, a):
        """Return the arrays that move, by name, for a start at a (n, c)."""
        raise NotImplementedError

    def point(self, moving):
        """Return where the gradient of the next block is wanted, shape (n, c)."""
        raise NotImplementedError

    def advance(self, moving, index, G):
        """Take a step for the gradient G (B, c) of the block ``index``."""
        raise NotImplementedError

    def iterate(self, moving):
        """Return what would be the solution now, an array of its own."""
        raise NotImplementedError

    def extra_entries(self, size):
        """Return the entries of K that a block of a size costs beside its rows."""
        return 0

    def slow_down(self):
        """Halve the step, after a divergence."""
        self.step_size *= 0.5

    def pack(self):
        """Return what changes while the rule is in use, numbers by name."""
        return {"step_size": float(self.step_size), "jitter": float(self.jitter)}

    def unpack(self, packed):
        """Take over what :meth:`pack` returned."""
        self.step_size = float(packed["step_size"])
        self.jitter = float(packed["jitter"])
