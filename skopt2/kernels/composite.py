"""What kernels made of other kernels share, of one or of several.

Points are prepared once for each part. A tile is filled by one part after the other:
the first writes where the result goes, the others into an array of this thread, and
each is taken in by one operation in place. That array has a name of its own for each
level of kernels in kernels, since it is in use while the parts fill theirs.
"""

from dataclasses import dataclass

from skopt2.kernels.base import Kernel, Prepared
from skopt2.kernels.precomputed import Precomputed


@dataclass(eq=False)
class PreparedParts(Prepared):
    """Points that are ready for each part of a kernel.

    Parameters
    ----------
    parts : tuple of Prepared
        One for each part, of the same points.

    Notes
    -----
    The other parameters are those of :class:`Prepared`; ``rows`` are the points as they
    were given.
    """

    parts: tuple = ()

    @property
    def kinds(self):
        """Dtypes of the rows of all parts; see :attr:`Prepared.kinds`."""
        return tuple(kind for part in self.parts for kind in part.kinds)

    def part(self, indices):
        """Return some of the points; see :meth:`Prepared.part`."""
        whole = super().part(indices)
        parts = tuple(part.part(indices) for part in self.parts)
        return PreparedParts(whole.rows, self.dtype, origin=self.origin, parts=parts)

    def widened(self, dtype):
        """Return all parts in a wider dtype; see :meth:`Prepared.widened`."""
        parts = tuple(part.widened(dtype) for part in self.parts)
        return PreparedParts(self.rows, self.dtype, origin=self.origin, parts=parts)


class Wrapped(Kernel):
    """Base of the kernels that are a function of another one, entry by entry.

    Parameters
    ----------
    kernel : Kernel
        Not precomputed.
    """

    @property
    def is_stationary(self):
        """Whether the kernel depends on the difference of two points alone."""
        return self.kernel.is_stationary

    @property
    def tile(self):
        """Entries of a tile: those of the kernel inside."""
        return self.kernel.tile

    @property
    def depth(self):
        """Levels of kernels inside; see :attr:`Kernel.depth`."""
        return 1 + self.kernel.depth

    def check_parameters(self):
        """Raise ValueError unless the kernel inside is one with valid parameters."""
        check_part(self.kernel, self.name, "kernel")

    def origin(self, X):
        """Origin of the kernel inside; see :meth:`Kernel.origin`."""
        return self.kernel.origin(X)

    def features(self, X, origin=None, wide=False):
        """Prepare points for the kernel inside; see :meth:`Kernel.features`."""
        return self.kernel.features(X, origin, wide)


class Composite(Kernel):
    """Base of the kernels that combine several others, entry by entry.

    Parameters
    ----------
    kernels : list of Kernel
        At least one; none of them precomputed.
    """

    def __init__(self, kernels):
        self.kernels = kernels

    @property
    def is_stationary(self):
        """Whether all parts depend on the difference of two points alone."""
        return all(kernel.is_stationary for kernel in self.kernels)

    @property
    def tile(self):
        """Entries of a tile: those of the part with the smallest."""
        return min(kernel.tile for kernel in self.kernels)

    @property
    def depth(self):
        """Levels of kernels inside; see :attr:`Kernel.depth`."""
        return 1 + max(kernel.depth for kernel in self.kernels)

    def check_parameters(self):
        """Raise ValueError unless the parts are kernels with valid parameters."""
        kernels = self.kernels
        if not isinstance(kernels, (list, tuple)) or not kernels:
            raise ValueError(
                f"kernels of the {self.name} kernel must be a list of at least one "
                f"kernel; got kernels={kernels!r}."
            )
        for kernel in kernels:
            check_part(kernel, self.name, "kernels")

    def resolve(self, X, rng=None):
        """Copy of the kernel whose parts are resolved, in the quickest form.

        See :meth:`Kernel.resolve`. Constants are pulled out, sums of sums and products
        of products are one, and a single part stands for itself.
        """
        from skopt2.kernels.folding import folded

        self.check_parameters()
        kernels = [kernel.resolve(X, rng) for kernel in self.kernels]
        return folded(type(self)(kernels))

    def origin(self, X):
        """First origin that a part asks for; see :meth:`Kernel.origin`."""
        origins = (kernel.origin(X) for kernel in self.kernels)
        return next((origin for origin in origins if origin is not None), None)

    def features(self, X, origin=None, wide=False):
        """Prepare points for each part; see :meth:`Kernel.features`."""
        parts = tuple(kernel.features(X, origin, wide) for kernel in self.kernels)
        return PreparedParts(X, X.dtype, origin=origin, parts=parts)

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        result = None
        for kernel, x, y in zip(self.kernels, A.parts, B.parts, strict=True):
            operand = kernel.operand
            if operand is None or result is None:
                operand = kernel.block(x, y)
            result = operand if result is None else self._combined(result, operand)
        return result

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix into an array; see :meth:`Kernel.fill`."""
        first = True
        for kernel, x, y in zip(self.kernels, A.parts, B.parts, strict=True):
            if first:
                kernel.fill(x, y, out, workspace, same)
                first = False
                continue
            operand = kernel.operand
            if operand is None:
                operand = workspace.array(f"part{self.depth}", out.shape, out.dtype)
                kernel.fill(x, y, operand, workspace, same)
            self._combine(out, operand)

    def diag(self, A):
        """Diagonal from those of the parts; see :meth:`Kernel.diag`."""
        result = None
        for kernel, x in zip(self.kernels, A.parts, strict=True):
            diagonal = kernel.diag(x)
            result = diagonal if result is None else self._combined(result, diagonal)
        return result

    def _combined(self, x, y):
        """Return the combination of two arrays."""
        raise NotImplementedError

    def _combine(self, x, y):
        """Overwrite a NumPy array by its combination with another, or a number."""
        raise NotImplementedError


def check_part(kernel, name, parameter):
    """Raise ValueError unless an object can be a part of another kernel.

    Parameters
    ----------
    kernel : object
        The part.
    name : str
        Of the kernel that it is a part of.
    parameter : str
        Which holds it.
    """
    if not isinstance(kernel, Kernel):
        raise ValueError(
            f"{parameter} of the {name} kernel must be kernel objects such as "
            f"Matern(nu=2.5); got {kernel!r}. get_kernel makes one of a name, a "
            "function or a kernel of scikit-learn."
        )
    if isinstance(kernel, Precomputed):
        raise ValueError(
            f"{parameter} of the {name} kernel must be functions of points; got "
            f"{kernel!r}: combine the matrices, and give the result as precomputed."
        )
    kernel.check_parameters()
