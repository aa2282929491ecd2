"""Warnings of what a private fit cannot protect."""

import warnings

from skopt2._core.estimator import level_of_caller


class PrivacyLeakWarning(UserWarning):
    """Something that was asked for tells of the data, or of the noise.

    Its text depends on parameters alone, never on values of the data.

    Examples
    --------
    >>> import warnings
    >>> from skopt2.privacy import PrivacyLeakWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", PrivacyLeakWarning)  # an error instead
    """


def warn_leak(message):
    """Emit a :class:`PrivacyLeakWarning` at the user's line.

    Parameters
    ----------
    message : str
        What leaks, and the way out.
    """
    warnings.warn(message, PrivacyLeakWarning, stacklevel=level_of_caller())
