"""Greedy choice of groups inside a working set of the group lasso.

Run from the root of the repository::

    python -m benchmarks.group_selection

Groups are orthonormal, so that all curvatures are 1 and the rules gs, gsl, gsd and gsq
of :mod:`benchmarks.block_rules` choose by one and the same model: the largest decrease
that a proximal step on a group brings. The table has the updates of groups and the
seconds of processor time to a millionth of the error at the start. A cyclic update
needs the gradient of its group; a greedy one that of all groups.
"""

import time

import numpy as np

CASES = ((500, 30, 0.1), (500, 100, 0.1), (500, 100, 0.02), (300, 100, 0.02))
SIZE, GOAL, MOST = 10, 1e-6, 200_000


class GroupLasso:
    """|y - A'v|^2 / 2 + lam * sum_g |v_g| for rows A that are orthonormal by group."""

    def __init__(self, rng, n, n_groups, share):
        X = rng.standard_normal((n, n_groups * SIZE))
        for j in range(1, X.shape[1]):
            X[:, j] = 0.6 * X[:, j - 1] + 0.8 * X[:, j]
        groups = np.split(X, n_groups, axis=1)
        self.blocks = [np.ascontiguousarray(np.linalg.qr(B)[0].T) for B in groups]
        self.A, self.n_groups = np.concatenate(self.blocks), n_groups
        w = np.zeros(X.shape[1])
        w[: 5 * SIZE] = rng.standard_normal(5 * SIZE)
        self.y = self.A.T @ w + 0.1 * rng.standard_normal(n)
        self.lam = share * float(self.norms(self.A @ self.y).max())
        self.reset()

    def reset(self):
        self.v, self.r = np.zeros((self.n_groups, SIZE)), -self.y.copy()

    @staticmethod
    def norms(c):
        return np.sqrt((c.reshape(-1, SIZE) ** 2).sum(axis=1))

    def objective(self):
        return 0.5 * self.r @ self.r + self.lam * self.norms(self.v).sum()

    def moves(self, v, c):
        z = v - c
        size = np.maximum(self.norms(z), 1e-300)
        return z * np.maximum(0.0, 1.0 - self.lam / size)[:, None] - v

    def update(self, g, move):
        self.v[g] += move
        self.r += move @ self.blocks[g]

    def cyclic(self):
        """Update every group in turn; return the number of updates."""
        for g, block in enumerate(self.blocks):
            self.update(g, self.moves(self.v[g : g + 1], (block @ self.r)[None, :])[0])
        return self.n_groups

    def greedy(self):
        """Update the group whose model falls most."""
        c = (self.A @ self.r).reshape(-1, SIZE)
        d = self.moves(self.v, c)
        rise = self.lam * (self.norms(self.v + d) - self.norms(self.v))
        g = int(np.argmin((d * (c + 0.5 * d)).sum(axis=1) + rise))
        self.update(g, d[g])
        return 1


def compare(n, n_groups, share):
    """Return updates and seconds of both rules, and the groups in the model."""
    case = GroupLasso(np.random.default_rng(0), n, n_groups, share)
    for _ in range(3000):
        case.cyclic()
    least, used = case.objective(), int(np.count_nonzero(case.norms(case.v)))
    rows = {}
    for name in ("cyclic", "greedy"):
        case.reset()
        first, count, start = case.objective() - least, 0, time.process_time()
        while count < MOST and case.objective() - least > GOAL * first:
            count += getattr(case, name)()
        rows[name] = count, time.process_time() - start
    return rows, used


def main():
    """Print the table."""
    print("samples groups  lam/max in use   cyclic           greedy")
    for n, n_groups, share in CASES:
        rows, used = compare(n, n_groups, share)
        cells = [f"{count:6d} {seconds:8.4f} s" for count, seconds in rows.values()]
        print(f"{n:7d} {n_groups:6d} {share:8.2f} {used:6d}", *cells)


if __name__ == "__main__":
    main()
