"""Batch size, step and delay of EigenPro on centres, from what is left of the spectrum.

Problem: gradients of batches of m rows, steps t along their sums, projected after T
batches. Symbols: l the largest eigenvalue that the preconditioner leaves, b the largest
diagonal of the kernel that it leaves, mu the ridge over the sum of the weights.

Up to the critical batch b / (l + mu) + 1 larger batches allow longer steps on means, so
that an epoch achieves the same: t = 1 / (b + m mu). Beyond it t = 2 / (b + (m - 1) l +
m mu), and of the whole sample 2 / ((l + mu) n). A projection costs p^2 and a batch m p,
each entry of the latter about as much as two of the former: T = p / 2 m.

Source: S. Ma, R. Bassily and M. Belkin, The power of interpolation, ICML 2018, for
batch and step.
"""

# Shares of the largest stable step, of a batch and of the whole sample.
BATCH_SHARE, WHOLE_SHARE = 0.99, 0.95
# Entries of the kernel of one batch at most.
ENTRIES = 2**26


def choose_steps(preconditioner, n, p, mu, batch_size=None, step_size=None, delay=None):
    """Return batch size, step and delay, each computed where it is not given.

    Parameters
    ----------
    preconditioner : CenterPreconditioner
        Has l and b.
    n, p : int
        Rows and centres.
    mu : float
        Ridge over the sum of the weights.
    batch_size : int or None, default=None
        m; None for the critical one.
    step_size : float or None, default=None
        t.
    delay : int or None, default=None
        T.

    Returns
    -------
    batch_size : int
    step_size : float
    delay : int
    """
    top = preconditioner.top

    def size(b):
        critical = min(b / (top + mu) + 1.0, max(1, ENTRIES // p))
        return max(1, min(n, int(critical if batch_size is None else batch_size)))

    b = preconditioner.projected_diagonal
    if delay is None:
        delay = max(1, p // (2 * size(b)))
    if delay > 1:
        b = preconditioner.diagonal
    m = size(b)
    if step_size is None:
        step_size = _step(m, n, b, top, mu)
    return m, float(step_size), int(delay)


def _step(m, n, b, top, mu):
    """Return t for batches of m out of n rows."""
    if m >= n:
        return WHOLE_SHARE * 2.0 / ((top + mu) * n)
    if m < b / (top + mu) + 1.0:
        return BATCH_SHARE / (b + m * mu)
    return BATCH_SHARE * 2.0 / (b + (m - 1) * top + m * mu)
