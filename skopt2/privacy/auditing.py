"""An empirical audit of any private estimator."""

import math
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
from skopt2._core.random import seed_sequence
from skopt2.privacy.audit_games import (
    CANARIES,
    canary_data,
    play_canaries,
    play_worlds,
    world_data,
)
from skopt2.privacy.audit_subject import EstimatorSubject, FunctionSubject
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.audit_bounds import ApproximateCurves, GaussianCurves
from skopt2.solvers.privacy.events import as_events

METHODS = ("auto", "canaries", "worlds")
RELATIONS = (None, "zero_out", "add_remove", "replace_one")
CURVES = {"gaussian": GaussianCurves, "approximate": ApproximateCurves}


@dataclass(frozen=True)
class AuditResult:
    """What an audit found.

    Attributes
    ----------
    epsilon_lower : float
        Lower bound on epsilon; it is at most the true one with probability
        ``confidence``. Infinity for a release without noise.
    epsilon_claimed : float
        What the estimator claims.
    delta : float
        At which both are meant.
    confidence : float
        Of the bound.
    passed : bool
        Whether the bound is at most the claim. A fit that passes may still be wrong: an
        audit proves leaks, and never their absence.
    method : {"canaries", "worlds"}
        The game that was played.
    curve : {"gaussian", "approximate"}
        The family of trade-off curves that was tested.
    relation : {"zero_out", "add_remove", "replace_one"}
        How the data sets of the game differ.
    guesses : tuple of int
        Right and wrong guesses of the deciding game, each about one record.
    n_fits : int
        Fits made.
    settings : dict
        Parameters that the audit set.
    notes : tuple of str
        What else the user should know.
    """

    epsilon_lower: float
    epsilon_claimed: float
    delta: float
    confidence: float
    passed: bool
    method: str
    curve: str
    relation: str
    guesses: tuple
    n_fits: int
    settings: dict = field(default_factory=dict)
    notes: tuple = ()

    def summary(self):
        """Return the findings in a few lines.

        Returns
        -------
        text : str
            For people.
        """
        right, wrong = self.guesses
        share = f", {right / (right + wrong):.1%} of them right" if right else ""
        lines = [
            f"{'passed' if self.passed else 'FAILED'}: epsilon is at least "
            f"{self.epsilon_lower:.3g} with {self.confidence:.3g} confidence, claimed "
            f"is {self.epsilon_claimed:.3g} (delta={self.delta:.3g})",
            f"game: {self.method}, relation {self.relation}, {self.curve} trade-off "
            f"curves, {self.n_fits} fits",
            f"guesses: {right + wrong}{share}",
        ]
        if self.settings:
            pairs = (f"{name}={value!r}" for name, value in self.settings.items())
            lines.append(f"set for the audit: {', '.join(pairs)}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def __str__(self):
        """Return the summary."""
        return self.summary()

    def __repr__(self):
        """Return the verdict in one line."""
        return (
            f"AuditResult(epsilon_lower={self.epsilon_lower:.4g}, "
            f"epsilon_claimed={self.epsilon_claimed:.4g}, passed={self.passed}, "
            f"method={self.method!r})"
        )


def audit(
    estimator,
    *,
    method="auto",
    claimed=None,
    confidence=0.95,
    n_fits=None,
    n_canaries=None,
    relation=None,
    curve="auto",
    norm=None,
    settings=None,
    random_state=None,
    n_jobs=None,
):
    """Attack a private estimator, and return how much it provably gives away.

    The estimator is fitted to data sets made up for the purpose, in which single
    records are there or not by the toss of a coin. Someone who sees only what the fits
    release guesses the coins. More right guesses than the claimed epsilon allows prove
    that the claim is wrong. Nothing of the estimator is used but ``clone``,
    ``set_params``, ``fit`` and what it releases; no user's data are touched, no
    accountant is charged, and every fit has randomness of its own.

    Parameters
    ----------
    estimator : estimator or callable
        A private classifier, regressor or transformer of this or another library, or a
        function ``fit(X, y, seed)`` that returns the released vector. Only copies of an
        estimator are fitted.
    method : {"auto", "canaries", "worlds"}, default="auto"
        "canaries" puts many records in orthogonal directions into each of a few fits
        and guesses on their own scores; it needs predictions, or one coordinate for
        each feature. "worlds" puts one record into half of several thousand tiny fits
        and looks for the direction of the released numbers that tells the halves
        apart. "auto" is "worlds" for transformers, and "canaries" otherwise.
    claimed : float, (float, float) or None, default=None
        Epsilon, or epsilon and delta, to hold the estimator to. None reads them from
        ``privacy_`` of a fit, or else from the parameters.
    confidence : float, default=0.95
        Probability that the lower bound is right.
    n_fits : int, default=None
        Fits to make; None is 32 with canaries, 256 for networks, and 4000 with two
        worlds.
    n_canaries : int, default=None
        Canaries of one fit, at least 8; None is 1024, and 128 for networks.
    relation : {None, "zero_out", "add_remove", "replace_one"}, default=None
        How neighbouring data differ: a record counts as no record (a row of NaN here,
        of zeros elsewhere), is taken away, or has another label. None takes the
        parameter ``relation`` of the estimator, or else "zero_out".
    curve : {"auto", "gaussian", "approximate"}, default="auto"
        Family of trade-off curves to test. "gaussian" is for mechanisms that say that
        they compose Gaussian noise on all rows: one number describes them, so that the
        bound is much nearer to the truth. "approximate" holds for everything. "auto"
        reads the events of ``privacy_``.
    norm : float, default=None
        Norm of the rows; None takes ``feature_norm`` or ``data_norm``, or else 1.
    settings : dict, default=None
        Parameters of the estimator for the audit, over those that it sets itself: no
        intercept, short steps, a small clipping norm, no accountant.
    random_state : None, int, RandomState or Generator, default=None
        None leaves the noise to the estimator's own entropy; a number makes the audit
        reproducible, with another seed for each fit.
    n_jobs : int, default=None
        Fits at the same time, by joblib.

    Returns
    -------
    result : AuditResult
        Bound, claim and verdict.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the claim is not known.

    Notes
    -----
    The bounds are those of :mod:`skopt2.solvers.privacy.audit_bounds`. They hold
    whatever the guesses of one fit have to do with each other, and no test is chosen on
    the data that judge it.

    References
    ----------
    S. Mahloujifar, L. Melis and K. Chaudhuri, Auditing f-differential privacy in one
    run, 2024. T. Steinke, M. Nasr and M. Jagielski, Privacy auditing with one (1)
    training run, NeurIPS 2023.

    Examples
    --------
    A sum of rows of norm 1 with Gaussian noise that is half of what epsilon=1 needs:

    >>> import numpy as np
    >>> from skopt2.privacy import audit
    >>> def noisy_sum(X, y, seed, std=1.87):
    ...     noise = np.random.default_rng(seed).normal(scale=std, size=X.shape[1])
    ...     return (X * y[:, None]).sum(axis=0) + noise
    >>> result = audit(noisy_sum, claimed=(1.0, 1e-5), curve="gaussian",
    ...                random_state=0)
    >>> result.passed
    False
    """
    _check(method, confidence, n_fits, n_canaries, relation, curve, norm)
    sequence = seed_sequence(random_state)
    subject = _subject(estimator, relation, norm, settings, random_state, n_canaries)
    if method == "auto":
        method = "worlds" if subject.kind == "transformer" else "canaries"
    probe, games = sequence.spawn(2)
    claim = _claim(subject, claimed, method, n_canaries, probe)
    curves = _curves(curve, claim)
    play, extra = play_worlds, ()
    if method == "canaries":
        play, extra = play_canaries, (n_canaries,)
    level, guesses, n_made, notes = play(
        subject, curves, 1 - confidence, n_fits, *extra, games, n_jobs
    )
    lower = math.inf if level == math.inf else float(curves.epsilon(level))
    return AuditResult(
        epsilon_lower=lower,
        epsilon_claimed=claim.epsilon,
        delta=claim.delta,
        confidence=float(confidence),
        passed=lower <= claim.epsilon,
        method=method,
        curve=curves.name,
        relation=subject.relation,
        guesses=guesses,
        n_fits=n_made + claim.n_fits,
        settings=subject.settings,
        notes=subject.notes + notes,
    )


def _check(method, confidence, n_fits, n_canaries, relation, curve, norm):
    check_choice("method", method, METHODS)
    check_choice("relation", relation, RELATIONS)
    check_choice("curve", curve, ("auto", *CURVES))
    check_number("confidence", confidence, 0, 1, closed="neither")
    check_count("n_fits", n_fits, 2, optional=True)
    check_count("n_canaries", n_canaries, 8, optional=True)
    check_positive("norm", norm, optional=True)


def _subject(estimator, relation, norm, settings, random_state, n_canaries):
    if hasattr(estimator, "fit"):
        n_rows = n_canaries or CANARIES[False][0]
        return EstimatorSubject(
            estimator, relation, norm, settings, random_state is None, n_rows
        )
    if not callable(estimator):
        raise ValueError(
            "estimator must have a method fit, or be a function of X, y and seed; got "
            f"{estimator!r}."
        )
    if settings:
        raise ValueError("settings are parameters of an estimator; got a function.")
    return FunctionSubject(estimator, relation or "zero_out", float(norm or 1.0))


@dataclass(frozen=True)
class _Claim:
    epsilon: float
    delta: float
    events: tuple
    n_fits: int


def _claim(subject, claimed, method, n_canaries, sequence):
    """Return what the subject claims, in the words of the user or its own."""
    records, n_made = [], 0
    if subject.kind != "function":
        coins = np.random.default_rng(sequence)
        m = n_canaries or CANARIES[subject.shared][0]
        data = (
            canary_data(subject, coins.random(m) < 0.5)
            if method == "canaries"
            else world_data(subject, sequence)[1]
        )
        fitted = subject.fit(*data, int(sequence.generate_state(1)[0]))
        records = subject.records(fitted)
        n_made = 1
    events = tuple(event for record in records for event in as_events(record.events))
    if claimed is not None:
        return _Claim(*_pair(claimed, subject, records), events, n_made)
    if records:
        delta = max(float(record.delta) for record in records)
        epsilon = float(records[0].epsilon)
        if len(records) > 1:
            epsilon = epsilon_of(list(events), delta)
        return _Claim(epsilon, delta, events, n_made)
    epsilon = subject.parameter("epsilon")
    if epsilon is None:
        raise ValueError(
            "The estimator does not say its epsilon: pass claimed=epsilon, or "
            "claimed=(epsilon, delta)."
        )
    return _Claim(float(epsilon), float(subject.parameter("delta") or 0.0), (), n_made)


def _pair(claimed, subject, records):
    """Return epsilon and delta of ``claimed``, delta of the estimator if need be."""
    pair = claimed if isinstance(claimed, (tuple, list)) else (claimed, None)
    if len(pair) != 2 or not isinstance(pair[0], Real) or not pair[0] >= 0:
        raise ValueError(
            f"claimed must be epsilon or (epsilon, delta), got {claimed!r}."
        )
    delta = pair[1]
    if delta is None:
        stated = [float(record.delta) for record in records]
        delta = max(stated) if stated else subject.parameter("delta") or 0.0
    if not 0 <= delta < 1:
        raise ValueError(f"delta must be in [0, 1), got {delta!r}.")
    return float(pair[0]), float(delta)


def _curves(curve, claim):
    """Return the family of trade-off curves to test."""
    if curve == "auto":
        kinds = {event.kind for event in claim.events}
        gaussian = kinds == {"gaussian"} and claim.delta > 0
        curve = "gaussian" if gaussian else "approximate"
    if curve == "gaussian" and not claim.delta > 0:
        raise ValueError(
            "curve='gaussian' needs a positive delta; pass claimed=(epsilon, delta)."
        )
    return CURVES[curve](claim.delta)
