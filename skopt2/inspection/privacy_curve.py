"""What a model scores under growing privacy budgets."""

import numpy as np
from sklearn.base import is_classifier

from skopt2.inspection.canvas import (
    FAINT,
    GREY,
    INK,
    PALETTE,
    as_panels,
    check_matplotlib,
    label_right,
    new_axes,
    note,
    tidy,
)
from skopt2.inspection.fitted import host_array
from skopt2.inspection.private_scores import (
    CurveScores,
    budget_holder,
    check_epsilons,
    check_unspent,
    epsilon_parameter,
    labelled,
    name_of_score,
    sorted_scores,
)
from skopt2.inspection.runs import distinct_names

_EPSILONS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
# More budgets than this would crowd the axis with their numbers.
_MOST_TICKS = 10


class PrivacyCurveDisplay:
    """Scores of one or several private estimators against epsilon.

    Create it with :meth:`from_estimator` or :meth:`from_estimators`, which fit a clone
    for each budget, split and draw of noise, or with :meth:`from_scores`.

    **The curve is not private.** It shows exact scores of many fits to the rows that it
    was given. Draw it from public or generated data that are like your own.

    Parameters
    ----------
    epsilons : array-like of shape (n_epsilons,)
        Privacy budgets, positive.
    scores : dict of str to array-like of shape (n_epsilons,) or (n_epsilons, n_fits)
        Scores of the fits of each curve.
    baselines : dict of str to float or array-like of shape (n_fits,), default=None
        Scores of what is not private, or of no interest; of several the mean is drawn.
    score_name : str, default="score"
        Label of the score axis.
    summary : str, default=None
        Added to the line above the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The panel.
    figure_ : matplotlib Figure
        The figure.
    lines_ : dict of str to matplotlib Line2D
        The mean of each curve.
    baseline_lines_ : dict of str to matplotlib Line2D
        The baselines.

    Examples
    --------
    >>> from skopt2.inspection import PrivacyCurveDisplay
    >>> display = PrivacyCurveDisplay.from_scores(
    ...     [0.5, 1.0, 2.0], [[0.6, 0.7], [0.8, 0.9], [0.9, 0.9]], baseline=0.95
    ... )
    >>> display.lines_["private"].get_ydata().round(2).tolist()
    [0.65, 0.85, 0.9]
    """

    def __init__(
        self, epsilons, scores, *, baselines=None, score_name="score", summary=None
    ):
        self.epsilons = epsilons
        self.scores = scores
        self.baselines = baselines
        self.score_name = score_name
        self.summary = summary

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, param=None, **kwargs):
        """Fit an estimator under several budgets and draw its scores.

        Parameters
        ----------
        estimator : estimator
            Anything with a parameter ``epsilon``, also inside a pipeline or search.
        X : array-like of shape (n_samples, n_features)
            Rows, public or generated.
        y : array-like of shape (n_samples,)
            Targets.
        name : str, default=None
            Label. By default the name of the class that has the budget.
        param : str, default=None
            Parameter of the budget, such as ``"model__epsilon"``, where there are
            several.
        **kwargs : dict
            All other parameters of :meth:`from_estimators`.

        Returns
        -------
        display : PrivacyCurveDisplay
            The display, drawn.
        """
        names = None if name is None else [name]
        return cls.from_estimators(
            [estimator], X, y, names=names, param=param, **kwargs
        )

    @classmethod
    def from_estimators(
        cls,
        estimators,
        X,
        y,
        *,
        names=None,
        epsilons=_EPSILONS,
        cv=5,
        n_repeats=2,
        scoring=None,
        baseline=None,
        param=None,
        n_jobs=None,
        random_state=None,
        band=0.8,
        ax=None,
        **kwargs,
    ):
        """Fit estimators under several budgets and draw their scores in one picture.

        All see the same splits. Nothing is spent: estimators that hold a shared
        accountant are refused, since no budget would make exact scores private.

        Parameters
        ----------
        estimators : list of estimators or dict of str to estimator
            Private estimators; the keys of a dict are their labels.
        X : array-like of shape (n_samples, n_features)
            Rows, public or generated.
        y : array-like of shape (n_samples,)
            Targets.
        names : list of str, default=None
            Labels. By default the names of the classes that have the budget.
        epsilons : array-like of shape (n_epsilons,), default=0.1 to 8
            Budgets, positive and finite.
        cv : int, splitter or iterable, default=5
            Splits, as :func:`sklearn.model_selection.cross_val_score` takes them.
        n_repeats : int, default=2
            How often each split is fitted again with other noise.
        scoring : str or callable, default=None
            What to measure. By default the estimator's own score.
        baseline : float, estimator or dict of str to either, default=None
            What the budgets are compared with: an estimator that is not private, which
            is fitted to the same splits, or a score.
        param : str, default=None
            Parameter of the budget where an estimator has several, as a pipeline of
            private steps. The budgets of its other steps stay as they are, and add to
            what the axis shows.
        n_jobs : int, default=None
            Fits at a time.
        random_state : int or RandomState instance, default=None
            Seed of the seeds of the fits. By default each draws its noise from the
            system, also where the estimator holds a seed.
        band : float, default=0.8
            Share of the fits that the band around the mean holds; None draws none.
        ax : matplotlib Axes, default=None
            Where to draw.
        **kwargs : dict
            Passed to ``Axes.plot`` for the curves.

        Returns
        -------
        display : PrivacyCurveDisplay
            The display, drawn; ``scores`` holds one column a fit.

        Raises
        ------
        ValueError
            If an estimator has no budget, several, or one that is shared or overruled,
            or if a budget is not positive and finite.

        Warns
        -----
        PrivacyLeakWarning
            Always: the scores and the picture are not private.
        """
        from skopt2.privacy.leak import warn_leak

        check_matplotlib(f"{cls.__name__}.from_estimators")
        if isinstance(estimators, dict):
            names, estimators = list(estimators), list(estimators.values())
        epsilons = check_epsilons(epsilons)
        params = [epsilon_parameter(estimator, param) for estimator in estimators]
        if names is None:
            pairs = zip(estimators, params, strict=True)
            names = distinct_names([budget_holder(*pair) for pair in pairs])
        runs = CurveScores(X, y, cv, n_repeats, is_classifier(estimators[0]))
        n_fits = runs.n_scores * epsilons.size
        for estimator, key in zip(estimators, params, strict=True):
            check_unspent(estimator, key, n_fits)
        warn_leak(
            f"The curve shows scores of {n_fits * len(estimators)} fits to the same "
            "rows as they are: neither it nor a parameter that it helps to choose is "
            "private. Draw it from public or generated data."
        )
        scores = runs.private(
            estimators, params, epsilons, scoring, n_jobs, random_state
        )
        baselines = {
            label: runs.plain(value, scoring, n_jobs)
            if hasattr(value, "fit")
            else value
            for label, value in labelled(baseline).items()
        }
        display = cls(
            epsilons,
            dict(zip(names, scores, strict=True)),
            baselines=baselines,
            score_name=name_of_score(estimators[0], scoring),
            summary="not private itself",
        )
        return display.plot(ax, band=band, **kwargs)

    @classmethod
    def from_scores(
        cls,
        epsilons,
        scores,
        *,
        name="private",
        baseline=None,
        score_name="score",
        band=0.8,
        ax=None,
        **kwargs,
    ):
        """Draw scores that are there already.

        Parameters
        ----------
        epsilons : array-like of shape (n_epsilons,)
            Budgets, positive and finite.
        scores : array-like of shape (n_epsilons,) or (n_epsilons, n_fits), or dict
            Scores, or those of several curves under their labels.
        name : str, default="private"
            Label of a single curve.
        baseline : float, array-like of shape (n_fits,) or dict, default=None
            Scores to compare with; a dict has labels for them.
        score_name : str, default="score"
            Label of the score axis.
        band : float, default=0.8
            Share of the fits that the band around the mean holds; None draws none.
        ax : matplotlib Axes, default=None
            Where to draw.
        **kwargs : dict
            Passed to ``Axes.plot`` for the curves.

        Returns
        -------
        display : PrivacyCurveDisplay
            The display, drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_scores")
        display = cls(
            epsilons,
            scores if isinstance(scores, dict) else {name: scores},
            baselines=labelled(baseline),
            score_name=score_name,
        )
        return display.plot(ax, band=band, **kwargs)

    def plot(self, ax=None, *, band=0.8, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.
        band : float, default=0.8
            Share of the fits that the band around the mean holds, as many of the others
            above as below; None draws none.
        **kwargs : dict
            Passed to ``Axes.plot`` for the curves.

        Returns
        -------
        display : PrivacyCurveDisplay
            Itself.

        Raises
        ------
        ValueError
            If shapes do not match, or a budget, ``band`` or ``ax`` is not what it says.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        if band is not None and not 0 < band <= 1:
            raise ValueError(f"band must be a share in (0, 1], or None, got {band!r}.")
        epsilons, curves = sorted_scores(self.epsilons, self.scores)
        panels = [] if ax is None else as_panels(ax, 1, type(self).__name__)
        self.ax_ = panels[0] if panels else new_axes()[0]
        self.figure_ = self.ax_.figure
        self._prepare_axis(epsilons)
        self.lines_ = {
            name: self._draw_curve(epsilons, values, name, PALETTE[i % 8], band, kwargs)
            for i, (name, values) in enumerate(curves.items())
        }
        self.baseline_lines_ = {
            name: self.ax_.axhline(
                float(host_array(value).mean()),
                color=GREY,
                linewidth=1.2,
                linestyle=(0, (4, 3 + 2 * i)),
                zorder=1,
                label=name,
            )
            for i, (name, value) in enumerate((self.baselines or {}).items())
        }
        note(self.ax_, self._words([v.shape[1] for v in curves.values()], band))
        self._label()
        return self

    def _prepare_axis(self, epsilons):
        """Set the scale first: labels are placed by it."""
        tidy(self.ax_)
        self.ax_.set_xscale("log")
        self.ax_.grid(axis="y", color=FAINT, linewidth=0.6)
        self.ax_.set_axisbelow(True)
        self.ax_.set_xlabel("epsilon, more private to the left")
        self.ax_.set_ylabel(self.score_name)
        if epsilons[0] < epsilons[-1]:
            self.ax_.set_xlim(epsilons[0], epsilons[-1])
        ticks = np.unique(epsilons)
        if ticks.size <= _MOST_TICKS:
            self.ax_.set_xticks(ticks, [f"{value:g}" for value in ticks])
            self.ax_.minorticks_off()

    def _draw_curve(self, epsilons, values, name, color, band, kwargs):
        """Draw the band of one curve and its mean over it; return the line."""
        style = {
            "color": color,
            "linewidth": 1.8,
            "marker": "o",
            "markersize": 4,
            # The first and the last budget lie on the edges.
            "clip_on": False,
            "zorder": 3,
            "label": name,
        } | kwargs
        (line,) = self.ax_.plot(epsilons, values.mean(axis=1), **style)
        if band is not None and values.shape[1] > 1:
            tail = (1.0 - band) / 2.0
            low, high = np.quantile(values, [tail, 1.0 - tail], axis=1)
            self.ax_.fill_between(
                epsilons, low, high, color=line.get_color(), alpha=0.15, lw=0, zorder=2
            )
        return line

    def _words(self, counts, band):
        """Return what is drawn, in a few words."""
        several = max(counts, default=1) > 1
        words = [f"means of {counts[0]} fits"] * (several and len(set(counts)) == 1)
        words += [f"bands hold {band or 0:.0%} of them"] * (
            several and band is not None
        )
        return ", ".join(words + [self.summary] * bool(self.summary))

    def _label(self):
        """Name the lines at the right where there is more than one."""
        lines = [*self.lines_.items(), *self.baseline_lines_.items()]
        if len(lines) < 2:
            return
        self.ax_.autoscale_view(scalex=False)
        label_right(
            self.ax_,
            [line.get_ydata()[-1] for _, line in lines],
            [name for name, _ in lines],
            [line.get_color() for line in self.lines_.values()]
            + [INK] * len(self.baseline_lines_),
        )
