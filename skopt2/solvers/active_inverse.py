"""The inverse of a growing and shrinking principal submatrix.

Problem: keep P = (G[S, S] + diag(C))^-1 while a few members enter and leave the active
set S. With B = P G[S, A] and the Schur complement Z = G[A, A] - G[A, S] B, members A
enter by

    P <- [P + B Z^-1 B', -B Z^-1; -Z^-1 B', Z^-1],

and members D leave by P[K, K] <- P[K, K] - P[K, D] P[D, D]^-1 P[D, K].

Both are matrix products of O(k^2 d) operations, where a new Cholesky factor would take
O(k^3): for the few changes of one Newton step that is a hundred times less.

Source: G. H. Golub and C. F. Van Loan, Matrix Computations, 4th edition, 2013,
section 2.1.4.
"""

import numpy as np

# A pivot smaller than this, relative to its own diagonal element, is taken as zero: the
# member is a combination of others, however small it is itself.
SINGULAR = 1e-11
# Members with a smaller pivot than this do not enter by an update, which would lose as
# many digits as the pivot is small: a new factor is exact to rounding.
DEPENDENT = 1e-7
# Below this the numbers lose their digits, and their inverses overflow.
TINY = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps)


class ActiveInverse:
    """Explicit inverse with block updates.

    Attributes
    ----------
    active : ndarray of int of shape (k,)
        Members of S, in the order of the rows of the inverse.
    diagonal : ndarray of shape (k,)
        The C that was added for each member.
    pivot : float
        Smallest pivot of the last factor, relative to its diagonal element.
    """

    def __init__(self):
        self.clear()

    def clear(self):
        """Forget everything."""
        self._P = np.zeros((64, 64))
        self._work = np.empty(0)
        self.active = np.empty(0, dtype=np.int64)
        self.diagonal = np.empty(0)
        self.pivot = 1.0

    @property
    def k(self):
        """Number of members."""
        return self.active.size

    def apply(self, b):
        """Return P @ b."""
        k = self.k
        return self._P[:k, :k] @ b

    def rebuild(self, members, G, C):
        """Factorise G[S, S] + diag(C) anew; False (and empty) if it is not definite."""
        self.clear()
        k = members.size
        self._reserve(k)
        if k == 0:
            return True
        A = G[np.ix_(members, members)]
        A[np.diag_indices(k)] += C
        L, pivot = _factor(A, np.abs(A.diagonal()))
        if not pivot > SINGULAR:
            return False
        self.pivot = pivot
        # Through the factor, which keeps the inverse symmetric to the last digit.
        half = _triangular_inverse(L)
        np.matmul(half.T, half, out=self._P[:k, :k])
        self.active, self.diagonal = members.copy(), C.copy()
        return True

    def remove(self, rows):
        """Let the members in these rows of the inverse leave."""
        k, d, P = self.k, rows.size, self._P
        if d == 0:
            return
        B = P[:k, rows]
        P[:k, :k] -= self._outer(B, np.linalg.solve(B[rows], B.T))
        # The last rows and columns move into the holes.
        left = k - d
        leaving = np.zeros(k, dtype=bool)
        leaving[rows] = True
        source = left + np.flatnonzero(~leaving[left:])
        hole = np.flatnonzero(leaving[:left])
        if source.size:
            P[hole, :k] = P[source, :k]
            P[:k, hole] = P[:k, source]
            self.active[hole] = self.active[source]
            self.diagonal[hole] = self.diagonal[source]
        P[left:k, :k] = 0.0
        P[:k, left:k] = 0.0
        self.active, self.diagonal = self.active[:left].copy(), self.diagonal[:left]

    def add(self, members, G, C):
        """Let members enter; False, and nothing changed, if they are nearly dependent.

        Parameters
        ----------
        members : ndarray of int of shape (d,)
            New members.
        G : ndarray of shape (m, m)
            The whole symmetric matrix.
        C : ndarray of shape (d,)
            What is added to the diagonal for each of them.
        """
        k, d = self.k, members.size
        self._reserve(k + d)
        P = self._P
        corner = G[np.ix_(members, members)]
        corner[np.diag_indices(d)] += C
        size = np.abs(corner.diagonal())
        if k:
            side = G[np.ix_(self.active, members)]
            B = P[:k, :k] @ side
            corner = corner - side.T @ B
        L, pivot = _factor(corner, size)
        if not pivot > DEPENDENT:
            return False
        # An inverse of the corner itself can still meet a pivot that is exactly 0.
        half = np.linalg.inv(L)
        Z = half.T @ half
        if k:
            U = B @ Z
            P[:k, :k] += self._outer(U, B.T)
            P[:k, k : k + d] = -U
            P[k : k + d, :k] = -U.T
        P[k : k + d, k : k + d] = Z
        self.active = np.concatenate([self.active, members])
        self.diagonal = np.concatenate([self.diagonal, C])
        return True

    def _outer(self, U, V):
        """Return U @ V, (k, k), in memory that is used again."""
        k = U.shape[0]
        if self._work.size < k * k:
            # A fresh array of this size costs more page faults than arithmetic.
            self._work = np.empty(4 * k * k)
        return np.matmul(U, V, out=self._work[: k * k].reshape(k, k))

    def _reserve(self, k):
        capacity = self._P.shape[0]
        if k > capacity:
            grown = np.zeros((2 * k, 2 * k))
            grown[: self.k, : self.k] = self._P[: self.k, : self.k]
            self._P = grown


def _triangular_inverse(L):
    """Return the inverse of a lower triangular matrix, by halves.

    Almost all of it is matrix products, a sixth of the operations of a general inverse.
    """
    k = L.shape[0]
    if k <= 96:
        return np.linalg.inv(L)
    h = k // 2
    out = np.zeros((k, k))
    out[:h, :h] = _triangular_inverse(L[:h, :h])
    out[h:, h:] = _triangular_inverse(L[h:, h:])
    np.matmul(out[h:, h:] @ L[h:, :h], -out[:h, :h], out=out[h:, :h])
    return out


def _factor(A, size):
    """Return the Cholesky factor and its smallest relative pivot; 0 if there is none.

    NumPy's own LAPACK serves here and everywhere in the inner loop: a second library's
    pool of threads, waiting for work, would take the cores from the first one's.

    Parameters
    ----------
    A : ndarray of shape (k, k)
        Symmetric matrix.
    size : ndarray of shape (k,)
        What the squared pivots are compared with.
    """
    try:
        L = np.linalg.cholesky(A)
    except np.linalg.LinAlgError:
        return None, 0.0
    squares = L.diagonal() ** 2
    if not squares.min() > TINY:
        return None, 0.0
    return L, float((squares / size).min())
