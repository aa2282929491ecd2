"""What an iterative run recorded, read from an estimator or a result, as curves."""

from dataclasses import dataclass

import numpy as np

from skopt2.inspection.fitted import host_array, unwrap


@dataclass(frozen=True)
class Run:
    """One run of an iteration loop.

    Parameters
    ----------
    name : str
        Class of the estimator or of the result.
    history : dict
        Its columns, one row a check.
    certificate_name : str
        What the certificate measures.
    tol : float or None
        Its tolerance.
    summary : str
        How the run ended, in a few words; empty where it does not say.
    """

    name: str
    history: dict
    certificate_name: str
    tol: float | None
    summary: str

    @classmethod
    def of(cls, fit):
        """Read a fitted estimator, or a result.

        Parameters
        ----------
        fit : estimator or result
            Fitted estimator with ``history_`` and ``certificate_``, a pipeline or
            search around one, or a result with ``history`` and ``certificate``.

        Returns
        -------
        run : Run

        Raises
        ------
        NotFittedError
            If an estimator has not been fitted, or records no history.
        TypeError
            If it is neither an estimator nor a result with a history.
        """
        mark = ""
        if not hasattr(fit, "history"):
            inner = getattr(fit, "transport", None)
            if not hasattr(fit, "fit") and hasattr(inner, "history"):
                raise TypeError(
                    f"{type(fit).__name__} stands for several problems and has no "
                    "history of its own. Pass its attribute transport."
                )
            fit, mark = unwrap(fit, "history_")[0], "_"
        certificate = getattr(fit, f"certificate{mark}", None)
        name = getattr(certificate, "name", "certificate")
        words = ""
        reason = getattr(fit, f"stop_reason{mark}", None)
        if reason is not None:
            steps = getattr(fit, f"n_iter{mark}")
            words = f"{str(reason).replace('_', ' ')} after {steps} iterations"
            reached = getattr(certificate, "value", None)
            words = words if reached is None else f"{words}, {name} {reached:.1e}"
        history = getattr(fit, f"history{mark}")
        tol = getattr(certificate, "tol", None)
        return cls(type(fit).__name__, history, name, tol, words)


def distinct_names(names):
    """Number the names that occur more than once."""
    repeated = {name for name in names if names.count(name) > 1}
    return [
        f"{name} {i + 1}" if name in repeated else name for i, name in enumerate(names)
    ]


def positive_certificates(histories, tols):
    """Return certificates as they can be drawn on a logarithmic axis.

    Parameters
    ----------
    histories : list of dict
        With the column "certificate".
    tols : list of float or None
        Tolerances, which are drawn too.

    Returns
    -------
    curves : list of ndarray
        Certificates of exactly zero a decade below all else; NaN where not finite.
    """
    values = [host_array(h["certificate"]) for h in histories]
    positive = [v[(v > 0) & np.isfinite(v)] for v in values]
    lowest = min((float(v.min()) for v in positive if v.size), default=1.0)
    floor = min([lowest, *(t for t in tols or [] if t)]) / 10.0
    return [np.where(np.isfinite(v), np.maximum(v, floor), np.nan) for v in values]


def distances_to_best(histories):
    """Return how far objectives are from the best of all.

    The best is the lowest. Only where every run ends above its start, as those do that
    report a dual objective, which they maximise, is it the highest.

    Parameters
    ----------
    histories : list of dict
        With the column "objective".

    Returns
    -------
    curves : list of ndarray
        Positive distances; NaN at the best itself.
    """
    values = [host_array(h["objective"]) for h in histories]
    finite = [v[np.isfinite(v)] for v in values]
    ends = [(v[0], v[-1]) for v in finite if v.size]
    rising = all(last >= first for first, last in ends)
    rising = rising and any(last > first for first, last in ends)
    sign = -1.0 if rising else 1.0
    best = min((float((sign * v).min()) for v in finite if v.size), default=0.0)
    # Differences below the rounding of the objective itself are noise.
    noise = 4.0 * np.finfo(float).eps * max(abs(best), np.finfo(float).tiny)
    apart = [sign * v - best for v in values]
    return [np.where(v > noise, v, np.nan) for v in apart]


def other_levels(history):
    """Return which checks belong to another level than the last one.

    Parameters
    ----------
    history : dict
        Where it has a column "reg", the regularisation of each check.

    Returns
    -------
    other : ndarray of bool
        One entry a check.
    """
    level = host_array(history.get("reg", np.zeros(len(history["iteration"]))))
    return level != level[-1] if level.size else level.astype(bool)
