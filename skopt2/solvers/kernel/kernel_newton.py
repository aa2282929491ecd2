"""Online Newton steps in a space of functions that grows with what is seen.

Problem: predict z_t = f_t(x_t) before y_t is known, with a total loss sum_t l(y_t, z_t)
close to the minimum of sum_t l(y_t, f(x_t)) + alpha |f|^2 / 2 over the functions f of
the reproducing kernel Hilbert space of k.

Symbols: D a dictionary of j rows; phi_t (j,) coordinates of k(x_t, .) projected on the
span of the k(z, .), z in D; w (j,) with f = w' phi; A (j, j), P = A^-1; C a bound on
abs(z); gamma the ridge and beta the oversampling of the dictionary.

1. Dictionary. tau_t = s / (s + gamma), s = k(x_t, x_t) - k_D' S (S K_DD S + gamma
   I)^-1 S k_D, estimates the ridge leverage score of x_t among what came before. With
   probability p_t = min(1, beta tau_t) the row joins the dictionary, with the weight
   S^2 = 1 / p_t. A new row adds a coordinate to phi and leaves the others as they were
   (:mod:`skopt2.solvers.kernel.nested_factor`), so w and A keep what has been learnt,
   0 and alpha for the new one. With ``restart`` both begin anew, w = 0 and A = alpha I.
2. Prediction. Where abs(w' phi_t) > C, w moves by the shortest way in the norm of A:
   w -= h / (phi' P phi) P phi, h the excess. Then z_t = w' phi_t.
3. Newton step. g = l'(y_t, z_t) phi_t, A += eta_t g g', w -= A^-1 g. eta_t l'^2 is the
   largest curvature c_t that a parabola below the loss can have on [-C, C], which is
   all that the regret bound asks of eta_t; or eta is one number. For the squared loss
   c_t = 1, and f_t is the solution of ridge regression on the rows before t.

Steps are taken in blocks of b rows: with G = Phi P Phi' all of a step happens in b^2
numbers, not in j^2, and P and w follow at the end. Coordinates of a row with what joins
the dictionary after it are 0, so blocks and calls can be cut anywhere.

Several targets or classes share the dictionary; those with equal curvatures share A.

Sources: D. Calandriello, A. Lazaric and M. Valko, Second-order kernel online convex
optimization with adaptive sketching, ICML 2017, algorithm 1 (Newton steps) and
algorithm 2 (leverage scores); the same, Efficient second-order online kernel learning
with adaptive embedding, NIPS 2017, algorithm 1 (embedding, restarts).
"""

import numpy as np

from skopt2.solvers.kernel.loss_curvature import safe_curvature
from skopt2.solvers.kernel.nested_factor import NestedFactor

# Newton steps taken together: more make G larger, fewer update P more often.
STEPS = 48


class NewtonModel:
    """The functions w' phi, and the steps that change them.

    Parameters
    ----------
    loss : Loss
        Squared, logistic or squared hinge.
    n_outputs : int
        Functions c.
    alpha : float
        Ridge.
    eta : float or None
        Factor of the squared gradients; None for the largest safe curvature.
    clip : float
        C; infinite for the squared loss without a bound.
    n_constant : int
        Coordinates before those of the dictionary: 1 for an intercept, else 0.
    """

    def __init__(self, loss, n_outputs, alpha, eta, clip, n_constant):
        self.loss, self.eta, self.clip = loss, eta, clip
        self.alpha, self.n_constant = alpha, n_constant
        # One matrix for all outputs where their curvatures are equal.
        self.n_matrices = 1 if loss.is_quadratic and eta is None else n_outputs
        self.W = np.zeros((n_outputs, 0))
        self._P = np.zeros((self.n_matrices, 0, 0))
        self.grow(n_constant)

    @property
    def size(self):
        """Number of coordinates p."""
        return self.W.shape[1]

    @property
    def P(self):
        """Inverse of A for each matrix, shape (n_matrices, p, p)."""
        return self._P[:, : self.size, : self.size]

    def grow(self, count):
        """Add coordinates that nothing is known of.

        Parameters
        ----------
        count : int
            How many.
        """
        old, size = self.size, self.size + count
        if size > self._P.shape[1]:
            # Room for more, so that additions one by one are not copies one by one.
            capacity = size + size // 4 + 16
            P = np.zeros((self.n_matrices, capacity, capacity))
            P[:, :old, :old] = self.P
            self._P = P
        self.W = np.pad(self.W, ((0, 0), (0, count)))
        new = np.arange(old, size)
        self._P[:, new, new] = 1.0 / self.alpha

    def forget(self):
        """Forget what has been learnt."""
        self.W[:] = 0.0
        self.P[:] = np.eye(self.size) / self.alpha

    def steps(self, Phi, Y):
        """Predict rows one after the other, and learn from each.

        Parameters
        ----------
        Phi : ndarray of shape (b, p)
            Coordinates.
        Y : ndarray of shape (c, b)
            Targets.

        Returns
        -------
        Z : ndarray of shape (c, b)
            Predictions, each before its target was used.
        """
        Z = np.empty(Y.shape)
        for start in range(0, Phi.shape[0], STEPS):
            some = slice(start, start + STEPS)
            Z[:, some] = self._block(Phi[some], Y[:, some])
        return Z

    def _block(self, Phi, Y):
        """Take the steps of one block, in the span of its rows."""
        b = Phi.shape[0]
        V = self.P @ Phi.T
        G = Phi @ V
        Z = self.W @ Phi.T
        # Columns of V U are the P phi of each step, with the P of its time.
        U = np.broadcast_to(np.eye(b), G.shape).copy()
        coefficients, rates = np.empty(Y.shape), np.empty((self.n_matrices, b))
        for t in range(b):
            g = G[:, t, t:].copy()
            z, shift, slope, c = self._measure(Y[:, t], Z[:, t], g[:, 0])
            Z[:, t] = z
            step = shift + slope / (1.0 + c * g[:, 0])
            rate = c[: self.n_matrices] / (1.0 + c[: self.n_matrices] * g[:, 0])
            coefficients[:, t], rates[:, t] = step, rate
            Z[:, t + 1 :] -= step[:, None] * g[:, 1:]
            drop = rate[:, None] * g[:, 1:]
            G[:, t + 1 :, t + 1 :] -= drop[:, :, None] * g[:, None, 1:]
            U[:, : t + 1, t + 1 :] -= U[:, : t + 1, t, None] * drop[:, None, :]
        V = V @ U
        self.W = self.W - (V @ coefficients[:, :, None])[:, :, 0]
        V *= np.sqrt(rates)[:, None, :]
        self.P[:] -= V @ np.swapaxes(V, 1, 2)
        return Z

    def _measure(self, y, z, q):
        """Return the prediction within C, what it took, slopes and curvatures."""
        shift = np.zeros_like(z)
        excess = np.abs(z) - self.clip
        if excess.max() > 0.0:
            beyond = np.where(excess > 0.0, np.copysign(excess, z), 0.0)
            # Only rows with phi = 0 have q = 0, and they are predicted as 0.
            shift = beyond / np.where(q > 0.0, q, 1.0)
            z = z - beyond
        slope = self.loss.gradient(y, z)
        if self.eta is None:
            return z, shift, slope, safe_curvature(self.loss, y, z, self.clip)
        return z, shift, slope, self.eta * slope * slope


class Dictionary:
    """Rows drawn by their ridge leverage scores, and coordinates in their span.

    Parameters
    ----------
    gamma : float
        Ridge of the scores.
    oversampling : float
        beta; infinite for every row that is not in the span already.
    max_size : int or None
        Most rows.
    resolution : float
        Share of k(x, x) below which what is outside the span counts as nothing.
    rng : numpy.random.Generator
        Draws one number for each row that comes.
    """

    def __init__(self, gamma, oversampling, max_size, resolution, rng):
        self.scores, self.span = NestedFactor(gamma), NestedFactor()
        self.oversampling, self.rng = oversampling, rng
        self.max_size = np.inf if max_size is None else max_size
        self.resolution = resolution

    def block(self, known, among, own):
        """Go through a block of rows.

        Parameters
        ----------
        known : ndarray of shape (j, b)
            Kernel between the dictionary and the rows.
        among : ndarray of shape (b, b)
            Kernel between the rows.
        own : ndarray of shape (b,)
            Its diagonal.

        Returns
        -------
        Phi : ndarray of shape (b, j + count)
            Coordinates of the rows in the dictionary of their time: 0 for what joined
            after them.
        joined : list of int
            Rows that joined, count of them.
        """
        uniform = self.rng.random(own.size)
        Q, F = self.scores.coordinates(known), self.span.coordinates(known)
        joined, start = [], 0
        while start < own.size:
            first, probability = self._next(Q, F, own, uniform, start)
            start = first + 1
            if first == own.size:
                break
            joined.append(first)
            Q, F = self._join(first, probability, Q, F, among, own)
        return F.T, joined

    def _next(self, Q, F, own, uniform, start):
        """Return the next row that joins and its probability; b for none."""
        b = own.size
        if self.span.size >= self.max_size:
            return b, 1.0
        Q, F, own = Q[:, start:], F[:, start:], own[start:]
        outside = np.maximum(own - np.sum(Q * Q, axis=0), 0.0)
        residual = own - np.sum(F * F, axis=0)
        gamma = self.scores.gamma
        with np.errstate(invalid="ignore"):
            chance = np.minimum(1.0, self.oversampling * outside / (outside + gamma))
        joins = (uniform[start:] < chance) & (residual > self.resolution * own)
        if not joins.any():
            return b, 1.0
        first = int(np.argmax(joins))
        return start + first, float(chance[first])

    def _join(self, index, probability, Q, F, among, own):
        """Add a row of the block; return the coordinates with a new row."""
        scale = 1.0 / np.sqrt(probability)
        row, kernel = float(own[index]), among[index]
        q = self.scores.append(row, Q[:, index], Q, kernel, scale)
        f = self.span.append(row, F[:, index], F, kernel)
        f[:index] = 0.0
        return np.vstack([Q, q]), np.vstack([F, f])


def advance(model, dictionary, known, among, own, Y, restart=False):
    """Predict a block of rows one after the other, and learn from each.

    Parameters
    ----------
    model : NewtonModel
        Changed.
    dictionary : Dictionary
        Changed.
    known : ndarray of shape (j, b)
        Kernel between the dictionary and the rows.
    among : ndarray of shape (b, b)
        Kernel between the rows.
    own : ndarray of shape (b,)
        Its diagonal.
    Y : ndarray of shape (c, b)
        Targets.
    restart : bool, default=False
        Whether the functions begin anew with each row that joins the dictionary.

    Returns
    -------
    Z : ndarray of shape (c, b)
        Predictions, each before its target was used.
    joined : list of int
        Rows that joined the dictionary.
    """
    Phi, joined = dictionary.block(known, among, own)
    Phi = np.pad(Phi, ((0, 0), (model.n_constant, 0)), constant_values=1.0)
    model.grow(len(joined))
    if not restart:
        return model.steps(Phi, Y), joined
    Z, cuts = np.empty(Y.shape), [*joined, Y.shape[1]]
    Z[:, : cuts[0]] = model.steps(Phi[: cuts[0]], Y[:, : cuts[0]])
    for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
        model.forget()
        Z[:, start:stop] = model.steps(Phi[start:stop], Y[:, start:stop])
    return Z, joined
