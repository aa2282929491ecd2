"""Try an iteration that may be fast, and give it up for one whose time is known.

Problem: H a = Y (:mod:`skopt2.solvers.kernel.system`) by passes over K, whose number is
not known, or by a factor, whose time is. Symbols: D the time of the factor in passes; s
the passes so far; r the relative residual, r_2 that of two passes ago; m the passes
that are predicted to remain, the last of which measures,

    m = 1 + 1.3 * 2 log(r / tol) / log(r_2 / r).

The trial ends where m > D, since nothing can be won any more, and where s >= D / 4 and
s + m > D. With predictions that are right, a system that is easy would never be given
up, and a hard one would take a quarter more than the factor alone. Residuals fall more
slowly later on, for which 1.3 allows.

Over the residuals of 144 systems (digits, MNIST, protein and noise; three kernels; long
and short length scales, alpha from 1e-6 to 1), three tolerances, and D from 18 to 60,
those that passes solve sooner took 1.05 times the passes that they need on average, the
others 1.21 times the time of the factor, and 1.85 times at the worst.
"""

import math
import time

# Passes over which a rate is measured, allowance for a later one, and share of the
# other solution's time from which a trial has to be worth it.
WINDOW, SLOWER, SHARE = 2.0, 1.3, 0.25
# In place of a tolerance of 0.
TINY = 1e-300


class Trial:
    """Monitor of the iteration loop that ends it where another solution is faster.

    Parameters
    ----------
    seconds : float
        Time of the other solution.
    tol : float
        Relative residual that is wanted.
    deadline : float, default=inf
        Time on the clock of :func:`time.perf_counter` at which all must be over.
    inner : object or None, default=None
        Another monitor of the loop, which is asked first.

    Attributes
    ----------
    given_up : bool
        Whether the loop was ended by the trial.
    """

    def __init__(self, seconds, tol, deadline=math.inf, inner=None):
        self.seconds, self.tol = seconds, max(tol, TINY)
        self.deadline, self.inner = deadline, inner
        self.given_up = False
        self._seen = [(0.0, 1.0)]
        self._fastest, self._clock = math.inf, 0.0

    def starts(self, n_epochs, level):
        """Take note of the passes before the first step, and of the residual then."""
        self._seen = [(n_epochs, level)]

    def in_time(self):
        """Return True if there is time for the other solution."""
        return time.perf_counter() + self.seconds <= self.deadline

    def begin(self, iteration):
        """Pass the call on, and start the clock."""
        if self.inner is not None:
            self.inner.begin(iteration)
        self._clock = time.perf_counter()

    def end(self, iteration, solver, state, measure, history):
        """Return True to stop, on behalf of the inner monitor or of the trial."""
        passes = state.n_epochs - self._seen[-1][0]
        seconds = (time.perf_counter() - self._clock) / passes
        # A clock that does not move must not divide by 0.
        self._fastest = max(min(self._fastest, seconds, solver.pace), 1e-12)
        self._seen.append((state.n_epochs, measure.value))
        if self.inner is not None and self.inner.end(
            iteration, solver, state, measure, history
        ):
            return True
        undecided = measure.value > self.tol and self.in_time()
        self.given_up = undecided and self._is_slower()
        return self.given_up

    def _is_slower(self):
        """Return True if the other solution is predicted to be faster from here."""
        spent = self._seen[-1][0] - self._seen[0][0]
        if spent < WINDOW:
            return False
        other, remaining = self.seconds / self._fastest, self._remaining()
        late = spent >= SHARE * other and spent + remaining > other
        return remaining > other or late

    def _remaining(self):
        """Return the passes that are predicted to remain."""
        epochs, value = self._seen[-1]
        before, level = next(
            seen for seen in reversed(self._seen) if epochs - seen[0] >= WINDOW
        )
        if not value < level:
            return math.inf
        rate = math.log(level / value) / (epochs - before)
        return SLOWER * math.log(value / self.tol) / rate + 1.0
