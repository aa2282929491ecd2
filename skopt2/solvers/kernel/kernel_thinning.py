"""Generalised kernel thinning: few rows whose mean embedding is that of all.

Problem: choose s of n rows S to make MMD^2(S) = |mean_i k(x_i, .) - mean_(x in S) k(x,
.)|^2 small, where |.| is the norm of the reproducing kernel Hilbert space of k.

Symbols: X (n, d); m = floor(log2(n / s)) rounds of halving; delta in (0, 1), a bound on
the probability that a swap is not balanced; f = k(x, .) - k(x', .) the difference of a
pair; psi the signed sum of the differences so far; b^2 = |f|^2; sigma^2, a, see below;
mu_i = mean_j k(x_i, x_j).

1. Split (kt-split). Each round halves every set of rows: of each pair of neighbours one
   goes to the first half, the other to the second. The signs are a self-balancing walk:
   with alpha = <psi, f>, a = max(b sigma sqrt(L), b^2), the pair has the sign +1 with
   probability (1 - alpha / a) / 2, cut to [0, 1], and sigma^2 grows by
   b^2 (1 + (b^2 - 2 a) sigma^2 / a^2)_+. L = 2 log(2 m n / (2^(j-1) delta)) in round j.
   It may be driven by another kernel than k: a rougher power of k, or the sum of both.
2. Of the 2^m sets, and as many evenly spaced rows, the one with the least MMD is kept.
   Where s is no n / 2^m, rows leave it, the one whose loss costs least first.
3. Swap (kt-swap). Each row of the set in turn is exchanged for the best of all rows.

Differences of pairs are never stored: <psi, f> comes from products of blocks of rows of
the kernel matrix with the signs, so the time is O(n^2) and the memory O(n block).

Sources: R. Dwivedi and L. Mackey, Generalized kernel thinning, ICLR 2022, algorithms 1,
1a and 1b; R. Dwivedi and L. Mackey, Kernel thinning, JMLR 25, 2024. Step 2 for general
s is not theirs.
"""

import math
from dataclasses import dataclass

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    index_like,
    namespace,
    put,
    take,
    to_numpy,
)
from skopt2.kernels import KernelOperator

# Pairs whose signs are found from one block of the kernel matrix.
BLOCK = 128
# Parts of a set of rows, each of which is compared to all rows before its end.
PARTS = 8
# Columns of the kernel matrix computed at a time while rows are swapped.
COLUMNS = 16


@dataclass(frozen=True)
class Thinning:
    """Rows that stand for all.

    Parameters
    ----------
    indices : ndarray of shape (s,)
        Increasing, in host memory.
    mmd : float
        Their maximum mean discrepancy to all rows.
    mmd_split : float
        That of the set before rows were swapped.
    """

    indices: np.ndarray
    mmd: float
    mmd_split: float


class Split:
    """Halving by the self-balancing walk of a sum of kernels.

    Parameters
    ----------
    kernels : list of Kernel
        Resolved; what is summed.
    X : array of shape (n, d)
        Rows.
    rng : numpy.random.Generator
        Draws the signs.
    budget : int
        Bytes of a block of a kernel matrix.
    """

    def __init__(self, kernels, X, rng, budget):
        self.kernels, self.X, self.rng, self.budget = kernels, X, rng, budget

    def sets(self, members, n_rounds, delta):
        """Halve a set of rows again and again.

        Parameters
        ----------
        members : ndarray of shape (n,)
            Rows in their order; n is a multiple of 2^n_rounds.
        n_rounds : int
            m.
        delta : float
            Failure probability of all swaps together.

        Returns
        -------
        sets : list of ndarray of shape (n / 2^m,)
            The 2^m parts.
        """
        sets, n = [members], members.size
        for j in range(n_rounds):
            level = 2.0 * math.log(2.0 * n_rounds * n / (2.0**j * delta))
            sets = [half for some in sets for half in self.halve(some, level)]
        return sets

    def halve(self, members, level):
        """Halve one set of rows.

        Parameters
        ----------
        members : ndarray of shape (2 p,)
            Rows; neighbours are the pairs.
        level : float
            L.

        Returns
        -------
        first, second : ndarray of shape (p,)
            One row of each pair in each.
        """
        signs = self._signs(members, level)
        pairs = members.reshape(-1, 2)
        up = signs > 0
        return np.where(up, *pairs.T), np.where(up, *pairs.T[::-1])

    def _signs(self, members, level):
        """Return the signs of the pairs of a set of rows."""
        size = members.size
        X = self.X
        rows = take(X, members)
        signed, variance = np.zeros(size), 0.0
        part = max(2 * BLOCK, -(-size // (2 * BLOCK * PARTS)) * 2 * BLOCK)
        for low in range(0, size, part):
            high = min(low + part, size)
            operators = [
                KernelOperator(
                    kernel,
                    rows[low:high, :],
                    rows[:high, :],
                    store=False,
                    budget=self.budget,
                )
                for kernel in self.kernels
            ]
            for start in range(low, high, 2 * BLOCK):
                stop = min(start + 2 * BLOCK, high)
                here = slice(start - low, stop - low)
                before = asarray_like(signed[:high], X)
                past = _sum(operators, "rows", here, before)
                gram = _sum(operators, "block", here, slice(start, stop))
                found, variance = walk(
                    past[0::2] - past[1::2],
                    differences(gram),
                    level,
                    variance,
                    self.rng.random((stop - start) // 2),
                )
                signed[start:stop:2], signed[start + 1 : stop : 2] = found, -found
        return signed[0::2]


def _sum(operators, method, *arguments):
    """Return the sum of what a method of several operators returns, in host memory."""
    parts = [getattr(operator, method)(*arguments) for operator in operators]
    return sum(to_numpy(part).astype(np.float64) for part in parts)


def differences(gram):
    """Return inner products of the differences of neighbouring rows.

    Parameters
    ----------
    gram : ndarray of shape (2 p, 2 p)
        Kernel matrix.

    Returns
    -------
    products : ndarray of shape (p, p)
        <f_i, f_j>, f_i = k(x_(2i), .) - k(x_(2i+1), .).
    """
    rows = gram[0::2] - gram[1::2]
    return rows[:, 0::2] - rows[:, 1::2]


def walk(past, products, level, variance, uniform):
    """Draw the signs of a block of pairs by the self-balancing walk.

    Parameters
    ----------
    past : ndarray of shape (p,)
        <psi, f_i> for the signed sum psi of what was before the block; overwritten.
    products : ndarray of shape (p, p)
        <f_i, f_j>.
    level : float
        L.
    variance : float
        sigma^2 before the block.
    uniform : ndarray of shape (p,)
        Random numbers in [0, 1).

    Returns
    -------
    signs : ndarray of shape (p,)
        1 and -1.
    variance : float
        sigma^2 after the block.
    """
    signs = np.empty(past.size)
    squares = np.maximum(np.diagonal(products), 0.0).tolist()
    for i, (square, u) in enumerate(zip(squares, uniform.tolist(), strict=True)):
        a = max(math.sqrt(square * variance * level), square)
        tilt = 0.0
        if a > 0.0:
            tilt = float(past[i]) / a
            gain = 1.0 + (square - 2.0 * a) * variance / (a * a)
            variance += square * max(gain, 0.0)
        signs[i] = 1.0 if u < 0.5 * (1.0 - tilt) else -1.0
        past[i + 1 :] += signs[i] * products[i, i + 1 :]
    return signs, variance


def thin(kernel, X, size, *, split_kernels, delta, n_swaps, rng, budget):
    """Choose rows by generalised kernel thinning.

    Parameters
    ----------
    kernel : Kernel
        Target k, resolved.
    X : array of shape (n, d)
        Rows.
    size : int
        s, from 1 to n.
    split_kernels : list of Kernel
        Resolved; the walk is that of their sum.
    delta : float
        In (0, 1).
    n_swaps : int
        Rounds of step 3.
    rng : numpy.random.Generator
        Draws signs, and rows left out of the halving.
    budget : int
        Bytes of a block of a kernel matrix.

    Returns
    -------
    thinning : Thinning
        The rows.
    """
    n = int(X.shape[0])
    discrepancy = Discrepancy(kernel, X, budget)
    n_rounds = (n // size).bit_length() - 1
    r = n >> n_rounds
    members = np.sort(rng.permutation(n)[: r << n_rounds])
    sets = Split(split_kernels, X, rng, budget).sets(members, n_rounds, delta)
    sets.append(np.arange(r) * n // r)
    best = min(sets, key=discrepancy.square)
    best = discrepancy.reduced(best, size)
    before = discrepancy.square(best)
    for _ in range(n_swaps):
        best = discrepancy.swapped(best)
    after = discrepancy.square(best)
    roots = [math.sqrt(max(square, 0.0)) for square in (after, before)]
    return Thinning(np.sort(best), *roots)


class Discrepancy:
    """Squared maximum mean discrepancies of sets of rows to all rows.

    Parameters
    ----------
    kernel : Kernel
        Resolved.
    X : array of shape (n, d)
        Rows.
    budget : int
        Bytes of a block of the kernel matrix.
    """

    def __init__(self, kernel, X, budget):
        self.kernel, self.X, self.budget = kernel, X, budget
        self.n = int(X.shape[0])
        self.all = KernelOperator(kernel, X, store=False, budget=budget)
        self.xp = namespace(X)
        ones = self.xp.ones_like(X[:, 0])
        self.mean = self._wide(self.all.product(ones)) / self.n
        self.host_mean = to_numpy(self.mean)

    def _wide(self, x):
        return self.xp.astype(x, accumulation_dtype(x))

    def _among(self, members):
        rows = take(self.X, members)
        return KernelOperator(self.kernel, rows, store=False, budget=self.budget)

    def square(self, members):
        """Return the squared discrepancy of a set of rows.

        Parameters
        ----------
        members : ndarray of shape (r,)
            Different rows.

        Returns
        -------
        square : float
            Negative by rounding at most.
        """
        r = members.size
        if r == self.n:
            return 0.0
        among = self._among(members)
        inside = to_numpy(among.product(self.xp.ones_like(among.diagonal())))
        return float(
            self.host_mean.mean()
            - 2.0 * self.host_mean[members].mean()
            + inside.sum(dtype=np.float64) / r**2
        )

    def reduced(self, members, size):
        """Drop rows from a set, the one whose loss costs least first.

        Parameters
        ----------
        members : ndarray of shape (r,)
            Different rows.
        size : int
            How many are left.

        Returns
        -------
        members : ndarray of shape (size,)
            In their order.
        """
        r = members.size
        if r == size:
            return members
        among = self._among(members)
        diagonal = to_numpy(among.diagonal()).astype(np.float64)
        sums = to_numpy(among.product(self.xp.ones_like(among.diagonal())))
        sums, mean = sums.astype(np.float64), self.host_mean[members]
        kept, total = np.ones(r, dtype=bool), sums.sum()
        for left in range(r - 1, size - 1, -1):
            # What is left of sum_ij k_ij / left^2 - 2 sum_i mu_i / left, less what is
            # the same for all.
            change = (diagonal - 2.0 * sums) / left**2 + 2.0 * mean / left
            worst = int(np.argmin(np.where(kept, change, np.inf)))
            kept[worst] = False
            total += diagonal[worst] - 2.0 * sums[worst]
            column = among.block(np.asarray([worst]), slice(None))
            sums -= to_numpy(column)[0, :]
        return members[kept]

    def swapped(self, members):
        """Exchange each row of a set for the best of all rows, one after the other.

        Parameters
        ----------
        members : ndarray of shape (s,)
            Different rows.

        Returns
        -------
        members : ndarray of shape (s,)
            Different rows, with a discrepancy that is no larger.
        """
        xp, s = self.xp, members.size
        indicator = np.zeros(self.n)
        indicator[members] = 1.0
        inside = self._wide(self.all.product(asarray_like(indicator, self.X)))
        constant = self._wide(self.all.diagonal()) / (2.0 * s) - self.mean
        # Rows of the set are out of the question for the others.
        barred = asarray_like(np.where(indicator > 0, np.inf, 0.0), self.mean)
        found = members.copy()
        for start in range(0, s, COLUMNS):
            some = index_like(found[start : start + COLUMNS], self.X)
            columns = self._wide(self.all.block(slice(None), some))
            for i in range(start, min(start + COLUMNS, s)):
                own = columns[:, i - start]
                inside = inside - own
                barred = put(barred, index_like(found[i : i + 1], self.X), 0.0)
                score = constant + inside / s + barred
                j = int(xp.argmin(score))
                if j != found[i]:
                    found[i] = j
                    new = self.all.block(
                        slice(None), index_like(found[i : i + 1], self.X)
                    )
                    own = self._wide(new)[:, 0]
                inside = inside + own
                barred = put(barred, index_like(found[i : i + 1], self.X), math.inf)
        return found
