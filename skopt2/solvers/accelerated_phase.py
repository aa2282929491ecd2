"""A few accelerated proximal gradient steps, which find the pattern for Newton.

Problem: min_w f(w) + sum_j pen(w_j; lam_j) on a working set, matrix-free.
Symbols: A (n, m) the working set; D (m,) the diagonal of the Hessian of f or a bound on
it; L the curvature in that metric, found by doubling; z the extrapolated point.

One step is w <- prox(z - grad f(z) / (L D)) with the step 1 / (L D), z <- w + beta (w -
w_old) with Nesterov's beta, and costs two products with A. With thousands of active
columns that compete for almost as many samples, Newton steps let large batches of
features in only to throw them out again; gradient steps change the pattern by a little
at a time, and everywhere. As soon as the pattern is quiet, Newton is better.

Sources: A. Beck and M. Teboulle, A fast iterative shrinkage-thresholding algorithm for
linear inverse problems, SIAM J. Imaging Sciences 2, 2009, section 4; B. O'Donoghue and
E. Candes, Adaptive restart for accelerated gradient schemes, Foundations of
Computational Mathematics 15, 2015, section 3.2, for the restart when the objective
rises, which also serves penalties that are not convex.
"""

import math

import numpy as np

# The pattern is quiet when so small a part of it changed over so many steps.
QUIET, WINDOW = 0.01, 10


class AcceleratedPhase:
    """Proximal gradient steps on the model of a working set.

    Parameters
    ----------
    model : QuadraticModel or CurvedModel
        The smooth part.
    """

    def __init__(self, model):
        self.model = model
        self._L = 1.0

    def run(self, penalty, w, lam, max_iter):
        """Take steps until the pattern is quiet; return the point reached.

        Parameters
        ----------
        penalty : Penalty
            Restricted to the working set.
        w : ndarray of shape (m,)
            Start; the model is there, and is moved along.
        lam : ndarray of shape (m,)
            Levels.
        max_iter : int
            Largest number of steps.

        Returns
        -------
        w : ndarray of shape (m,)
            A point with an objective no higher than that of the start.
        """
        model = self.model
        D = model.bound()
        D = np.where(D > 0.0, D, D.max(initial=0.0))
        if not (np.isfinite(D).all() and (D > 0.0).all()):
            return w
        start = model.predictor()
        eta, value = start, model.problem.loss_value(start)
        first = best = value + penalty.value(w, lam)
        z, eta_z, value_z, g = w, eta, value, model.g
        t, pattern, begin = 1.0, np.sign(w), w
        for count in range(1, max_iter + 1):
            found = self._step(penalty, z, eta_z, value_z, g, lam, D)
            if found is None or model.problem.expired:
                break
            new, eta_new, value_new = found
            objective = value_new + penalty.value(new, lam)
            if not objective <= best:
                if t == 1.0:
                    break
                # Restart at the best point.
                t, z, eta_z, value_z = 1.0, w, eta, value
            else:
                longer = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * t * t))
                beta, t = (t - 1.0) / longer, longer
                z = new + beta * (new - w)
                eta_z = eta_new + beta * (eta_new - eta)
                w, eta, value, best = new, eta_new, value_new, objective
                value_z = model.problem.loss_value(eta_z)
            g = model.adjoint(model.problem.weighted_gradient(eta_z))
            if count % WINDOW == 0:
                now = np.sign(w)
                if np.count_nonzero(now != pattern) <= QUIET * np.count_nonzero(now):
                    break
                pattern = now
        if best < first:
            model.restart(eta)
            return w
        return begin

    def _step(self, penalty, z, eta, value, g, lam, D):
        """Return the next point, its predictor and loss; None if no step is short."""
        model = self.model
        for _ in range(40):
            step = 1.0 / (self._L * D)
            new = penalty.prox(z - step * g, step, lam)
            d = new - z
            eta_new = eta + model.times(d)
            value_new = model.problem.loss_value(eta_new)
            model_value = value + float(g @ d) + 0.5 * float(d @ (d / step))
            if value_new <= model_value + 1e-14 * abs(value):
                return new, eta_new, value_new
            self._L *= 2.0
        return None
