"""How fits approached their certificate and their objective."""

import numpy as np

from skopt2._core.parameters import check_choice
from skopt2.inspection.canvas import (
    FAINT,
    GREY,
    INK,
    PALETTE,
    as_panels,
    check_matplotlib,
    label_ends,
    new_axes,
    note,
    tidy,
)
from skopt2.inspection.fitted import host_array
from skopt2.inspection.runs import (
    Run,
    distances_to_best,
    distinct_names,
    other_levels,
    positive_certificates,
)

_X_KEYS = {"iteration": "iteration", "seconds": "time"}
_QUANTITIES = ("certificate", "objective", "both")


class ConvergenceDisplay:
    """Certificate or objective of one or several fits against work.

    Create it with :meth:`from_estimator` or :meth:`from_estimators`, with
    :meth:`from_result` or :meth:`from_results` for what a function such as
    :func:`skopt2.transport.sinkhorn` returns, or with :meth:`from_history`.

    Parameters
    ----------
    histories : list of dict
        One ``history_`` a fit: arrays under the keys "iteration", "time", "objective"
        and "certificate".
    names : list of str
        Label of each fit.
    certificate_names : list of str, default=None
        What each certificate measures, for the axis.
    tols : list of float or None, default=None
        Tolerance of each certificate.
    summaries : list of str or None, default=None
        How each fit ended, written above the picture of a single fit.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The first panel.
    axes_ : list of matplotlib Axes
        All panels.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of list of matplotlib Line2D
        The curves of each panel.

    Examples
    --------
    >>> from skopt2.inspection import ConvergenceDisplay
    >>> history = {
    ...     "iteration": [1, 2, 3], "time": [0.1, 0.2, 0.3],
    ...     "objective": [3.0, 2.0, 1.9], "certificate": [0.5, 0.01, 1e-7],
    ... }
    >>> display = ConvergenceDisplay.from_history(history, tol=1e-6, name="a fit")
    >>> display.ax_.get_yscale()
    'log'
    """

    def __init__(
        self, histories, names, *, certificate_names=None, tols=None, summaries=None
    ):
        self.histories = histories
        self.names = names
        self.certificate_names = certificate_names
        self.tols = tols
        self.summaries = summaries

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        quantity="certificate",
        x="iteration",
        name=None,
        ax=None,
        **kwargs,
    ):
        """Draw the convergence of one fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with ``history_`` and ``certificate_``, or a pipeline or
            search around one.
        quantity : {"certificate", "objective", "both"}, default="certificate"
            What to draw.
        x : {"iteration", "seconds"}, default="iteration"
            Work on the horizontal axis.
        name : str, default=None
            Label. By default the name of the class.
        ax : matplotlib Axes or pair of them, default=None
            Where to draw; two axes for ``quantity="both"``. By default a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        display : ConvergenceDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        """
        names = None if name is None else [name]
        return cls.from_estimators(
            [estimator], quantity=quantity, x=x, names=names, ax=ax, **kwargs
        )

    @classmethod
    def from_estimators(
        cls,
        estimators,
        *,
        quantity="certificate",
        x="iteration",
        names=None,
        ax=None,
        **kwargs,
    ):
        """Draw the convergence of several fitted estimators in one picture.

        Parameters
        ----------
        estimators : list of estimators or dict of str to estimator
            Fitted estimators; the keys of a dict are their labels. Results of functions
            may be among them.
        quantity : {"certificate", "objective", "both"}, default="certificate"
            What to draw. Objectives are compared with the best of all fits, which
            means something only where all of them optimise the same function.
        x : {"iteration", "seconds"}, default="iteration"
            Work on the horizontal axis.
        names : list of str, default=None
            Labels. By default the keys of the dict, or class names, numbered where
            they repeat.
        ax : matplotlib Axes or pair of them, default=None
            Where to draw.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        display : ConvergenceDisplay
            The display, drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_estimators")
        if isinstance(estimators, dict):
            names = list(estimators) if names is None else names
            estimators = list(estimators.values())
        runs = [Run.of(estimator) for estimator in estimators]
        if names is None:
            names = distinct_names([run.name for run in runs])
        display = cls(
            [run.history for run in runs],
            list(names),
            certificate_names=[run.certificate_name for run in runs],
            tols=[run.tol for run in runs],
            summaries=[run.summary for run in runs],
        )
        return display.plot(ax, quantity=quantity, x=x, **kwargs)

    @classmethod
    def from_result(cls, result, **kwargs):
        """Draw the convergence of one result.

        Parameters
        ----------
        result : TransportResult
            Or anything else with the attributes ``history`` and ``certificate``.
        **kwargs : dict
            ``quantity``, ``x``, ``name`` and ``ax`` as in :meth:`from_estimator`; all
            others are passed to ``Axes.plot``.

        Returns
        -------
        display : ConvergenceDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the result has no history.
        """
        return cls.from_estimator(result, **kwargs)

    @classmethod
    def from_results(cls, results, **kwargs):
        """Draw the convergence of several results in one picture.

        Parameters
        ----------
        results : list of results or dict of str to result
            Results with ``history`` and ``certificate``; the keys of a dict are their
            labels.
        **kwargs : dict
            ``quantity``, ``x``, ``names`` and ``ax`` as in :meth:`from_estimators`; all
            others are passed to ``Axes.plot``.

        Returns
        -------
        display : ConvergenceDisplay
            The display, drawn.
        """
        return cls.from_estimators(results, **kwargs)

    @classmethod
    def from_history(
        cls,
        history,
        *,
        tol=None,
        certificate_name="certificate",
        quantity="certificate",
        x="iteration",
        name="fit",
        ax=None,
        **kwargs,
    ):
        """Draw the convergence recorded in one ``history_``.

        Parameters
        ----------
        history : dict
            Arrays under the keys "iteration", "time", "objective", "certificate".
        tol : float, default=None
            Tolerance of the certificate.
        certificate_name : str, default="certificate"
            Label of the vertical axis.
        quantity : {"certificate", "objective", "both"}, default="certificate"
            What to draw.
        x : {"iteration", "seconds"}, default="iteration"
            Work on the horizontal axis.
        name : str, default="fit"
            Label.
        ax : matplotlib Axes or pair of them, default=None
            Where to draw.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        display : ConvergenceDisplay
            The display, drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_history")
        display = cls(
            [history], [name], certificate_names=[certificate_name], tols=[tol]
        )
        return display.plot(ax, quantity=quantity, x=x, **kwargs)

    def plot(self, ax=None, *, quantity="certificate", x="iteration", **kwargs):
        """Draw the curves on a logarithmic scale.

        Certificates of exactly zero are drawn at the lower edge. Objectives are drawn
        as their distance to the best one found, whose own point is left out: to the
        lowest, or, where all of them rise, as dual objectives do, to the highest.
        Checks at another regularisation than that of the last one are dotted. Given
        axes keep the scale of their horizontal axis.

        Parameters
        ----------
        ax : matplotlib Axes or pair of them, default=None
            Where to draw; two axes for ``quantity="both"``. By default a new figure.
        quantity : {"certificate", "objective", "both"}, default="certificate"
            What to draw.
        x : {"iteration", "seconds"}, default="iteration"
            Work on the horizontal axis.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        display : ConvergenceDisplay
            Itself.

        Raises
        ------
        ValueError
            If ``quantity`` or ``x`` is unknown or ``ax`` has the wrong number of axes.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        check_choice("quantity", quantity, _QUANTITIES)
        check_choice("x", x, _X_KEYS)
        kinds = ["certificate", "objective"] if quantity == "both" else [quantity]
        if ax is None:
            size = (6.4, 5.6) if len(kinds) == 2 else (6.4, 4.0)
            self.axes_ = new_axes((1.0,) * len(kinds), size)
        else:
            self.axes_ = as_panels(ax, len(kinds), type(self).__name__)
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        self.lines_ = [
            self._panel(panel, kind, x, kwargs)
            for panel, kind in zip(self.axes_, kinds, strict=True)
        ]
        levels = any(other_levels(history).any() for history in self.histories)
        self.axes_[-1].set_xlabel(x + (", dotted at a larger reg" if levels else ""))
        if len(self.histories) == 1 and self.summaries and self.summaries[0]:
            note(self.ax_, f"{self.names[0]}: {self.summaries[0]}")
        return self

    def _panel(self, ax, kind, x, kwargs):
        """Draw one panel; return its lines."""
        from matplotlib.ticker import MaxNLocator

        tidy(ax)
        ax.set_yscale("log")
        ax.grid(axis="y", which="major", color=FAINT, linewidth=0.6)
        ax.set_axisbelow(True)
        if kind == "certificate":
            curves = positive_certificates(self.histories, self.tols)
        else:
            curves = distances_to_best(self.histories)
        lines, ends, drawn = [], [], []
        for i, (history, values) in enumerate(zip(self.histories, curves, strict=True)):
            work = host_array(history[_X_KEYS[x]])
            style = {
                "color": PALETTE[i % len(PALETTE)],
                "linewidth": 1.8,
                "solid_capstyle": "round",
                # Few checks: show where they were made.
                "marker": "o" if work.size <= 25 else None,
                "markersize": 3.5,
                "label": self.names[i],
            } | kwargs
            lines.append(self._curve(ax, work, values, history, style))
            shown = np.flatnonzero(np.isfinite(values))
            if shown.size:
                ends.append((work[shown[-1]], values[shown[-1]]))
                drawn.append(i)
        if kind == "certificate":
            self._tolerances(ax)
            ax.set_ylabel(self._certificate_label())
        else:
            ax.set_ylabel("distance to the best objective")
        if x == "iteration" and ax.get_xscale() == "linear":
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(lines) > 1:
            colors = [lines[i].get_color() for i in drawn]
            label_ends(ax, ends, [self.names[i] for i in drawn], colors)
        return lines

    @staticmethod
    def _curve(ax, work, values, history, style):
        """Draw one run, dotted where it was at another level; return the whole line."""
        other = other_levels(history)
        if not other.any():
            return ax.plot(work, values, **style)[0]
        (line,) = ax.plot(work, values, **({"linestyle": (0, (1, 1.6))} | style))
        same = {"color": line.get_color(), "label": "_last level", "linestyle": "-"}
        ax.plot(work, np.where(other, np.nan, values), **(style | same))
        return line

    def _tolerances(self, ax):
        """Draw each tolerance once, as a dashed line with its value."""
        for tol in sorted({t for t in self.tols or [] if t}):
            ax.axhline(tol, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
            ax.annotate(
                f"tol {tol:.0e}",
                xy=(0.0, tol),
                xycoords=("axes fraction", "data"),
                xytext=(4, 3),
                textcoords="offset points",
                color=INK,
                fontsize=8.5,
            )

    def _certificate_label(self):
        names = sorted(set(self.certificate_names or ["certificate"]))
        return " / ".join(names)
