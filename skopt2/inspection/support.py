"""Which features a model kept, with what weight, and against the truth where known."""

import numpy as np

from skopt2._core.parameters import check_choice
from skopt2.inspection.canvas import (
    FAINT,
    GREY,
    INK,
    PALETTE,
    check_matplotlib,
    legend_below,
    new_axes,
    note,
    tidy,
)
from skopt2.inspection.fitted import feature_labels, host_array, one_vector, unwrap

_LAYOUTS = ("auto", "names", "index")
_ESTIMATE, _WRONG = PALETTE[0], PALETTE[1]


class SupportDisplay:
    """Coefficients of a model as stems, beside the true ones where they are known.

    Create it with :meth:`from_estimator` or :meth:`from_coef`.

    Parameters
    ----------
    coef : array of shape (n_features,)
        Estimated coefficients.
    coef_true : array of shape (n_features,), default=None
        Coefficients that generated the data.
    feature_names : array-like of str of shape (n_features,), default=None
        Names. By default x0, x1, ...
    name : str, default=None
        Name of the model.

    Attributes
    ----------
    found, missed, false : ndarray of int
        Features that are nonzero in both vectors, in the truth alone, and in the
        estimate alone. Without a truth every nonzero feature counts as found.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.

    Examples
    --------
    >>> from skopt2.inspection import SupportDisplay
    >>> display = SupportDisplay.from_coef([0.0, 1.8, -0.3], coef_true=[1.0, 2.0, 0.0])
    >>> display.found.tolist(), display.missed.tolist(), display.false.tolist()
    ([1], [0], [2])
    """

    def __init__(self, coef, *, coef_true=None, feature_names=None, name=None):
        self.coef = host_array(coef)
        self.coef_true = None if coef_true is None else host_array(coef_true)
        self.feature_names = feature_names
        self.name = name
        if self.coef.ndim != 1:
            raise ValueError(
                f"coef must have shape (n_features,), got {self.coef.shape}."
            )
        if self.coef_true is not None and self.coef_true.shape != self.coef.shape:
            raise ValueError(
                f"coef_true must have the shape {self.coef.shape} of coef, got "
                f"{self.coef_true.shape}."
            )
        kept = self.coef != 0
        real = kept if self.coef_true is None else self.coef_true != 0
        self.found = np.flatnonzero(kept & real)
        self.missed = np.flatnonzero(~kept & real)
        self.false = np.flatnonzero(kept & ~real)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        coef_true=None,
        target=None,
        feature_names=None,
        name=None,
        max_features=30,
        layout="auto",
        ax=None,
        **kwargs,
    ):
        """Draw the coefficients of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with ``coef_``, or a pipeline or search around one.
        coef_true : array of shape (n_features,) or (n_targets, n_features), \
                default=None
            Coefficients that generated the data.
        target : int, default=None
            Class whose coefficients to draw where there are several; by default the
            Euclidean norm over all of them.
        feature_names : array-like of str, default=None
            By default those that the estimator was fitted with.
        name : str, default=None
            Label. By default the name of the class.
        max_features : int, default=30
            How many features the layout "names" shows, largest first.
        layout : {"auto", "names", "index"}, default="auto"
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            Where to draw.
        **kwargs : dict
            Passed to ``Axes.plot`` for the markers of the estimate.

        Returns
        -------
        display : SupportDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        fit, names = unwrap(estimator, "coef_")
        truth = None if coef_true is None else one_vector(coef_true, target)
        display = cls(
            one_vector(fit.coef_, target),
            coef_true=truth,
            feature_names=names if feature_names is None else feature_names,
            name=type(fit).__name__ if name is None else name,
        )
        return display.plot(ax, max_features=max_features, layout=layout, **kwargs)

    @classmethod
    def from_coef(
        cls,
        coef,
        *,
        coef_true=None,
        target=None,
        feature_names=None,
        name=None,
        max_features=30,
        layout="auto",
        ax=None,
        **kwargs,
    ):
        """Draw given coefficients.

        Parameters
        ----------
        coef : array of shape (n_features,) or (n_targets, n_features)
            Estimated coefficients.
        coef_true : array of the shape of ``coef``, default=None
            Coefficients that generated the data.
        target : int, default=None
            Row to draw where there are several; by default the Euclidean norm over
            all of them.
        feature_names : array-like of str, default=None
            Names of the features.
        name : str, default=None
            Label.
        max_features : int, default=30
            How many features the layout "names" shows, largest first.
        layout : {"auto", "names", "index"}, default="auto"
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            Where to draw.
        **kwargs : dict
            Passed to ``Axes.plot`` for the markers of the estimate.

        Returns
        -------
        display : SupportDisplay
            The display, drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_coef")
        truth = None if coef_true is None else one_vector(coef_true, target)
        display = cls(
            one_vector(coef, target),
            coef_true=truth,
            feature_names=feature_names,
            name=name,
        )
        return display.plot(ax, max_features=max_features, layout=layout, **kwargs)

    def plot(self, ax=None, *, max_features=30, layout="auto", **kwargs):
        """Draw the stems.

        Filled dots are the estimate, in another color where the truth is zero; open
        rings are the truth.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.
        max_features : int, default=30
            How many features the layout "names" shows, largest first.
        layout : {"auto", "names", "index"}, default="auto"
            "names": one named row a feature, largest first. "index": vertical stems
            over the feature index, for long vectors. "auto" takes "names" where at
            most ``max_features`` features are nonzero.
        **kwargs : dict
            Passed to ``Axes.plot`` for the markers of the estimate.

        Returns
        -------
        display : SupportDisplay
            Itself.

        Raises
        ------
        ValueError
            If ``layout`` is unknown.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        check_choice("layout", layout, _LAYOUTS)
        shown = np.sort(np.concatenate([self.found, self.missed, self.false]))
        if layout == "auto":
            layout = "names" if shown.size <= max_features else "index"
        size = np.abs(self.coef)
        if self.coef_true is not None:
            size = np.maximum(size, np.abs(self.coef_true))
        if layout == "names":
            shown = shown[np.argsort(-size[shown], kind="stable")][:max_features]
        if ax is None:
            height = 1.2 + 0.22 * max(shown.size, 4) if layout == "names" else 3.6
            (ax,) = new_axes(figsize=(6.4, height))
        self.ax_, self.figure_ = ax, ax.figure
        tidy(ax)
        self._stems(shown, layout == "names", kwargs)
        if layout == "names":
            self._name_rows(shown)
        else:
            ax.set_xlim(-0.01 * self.coef.size, 1.01 * self.coef.size)
            ax.set_xlabel("feature")
            ax.set_ylabel("coefficient")
        note(ax, self._summary(shown))
        if self.coef_true is not None:
            legend_below(ax)
        return self

    def _stems(self, shown, horizontal, kwargs):
        """Draw stems and markers of the shown features."""
        ax = self.ax_
        where = np.arange(shown.size) if horizontal else shown
        zero_line = ax.axvline if horizontal else ax.axhline
        zero_line(0.0, color=GREY, linewidth=0.8, zorder=1)
        stems = ax.hlines if horizontal else ax.vlines
        wrong = np.isin(shown, self.false)
        missed = np.isin(shown, self.missed)
        width = 1.5 if shown.size <= 60 else 1.0
        dot = 5.0 if shown.size <= 60 else 3.5

        def markers(mask, values, **style):
            if mask.any():
                place, value = where[mask], values[shown[mask]]
                pair = (value, place) if horizontal else (place, value)
                ax.plot(*pair, linestyle="none", **style)

        for mask, color, label in (
            (~wrong & ~missed, _ESTIMATE, "estimate"),
            (wrong, _WRONG, "false positive"),
        ):
            if mask.any():
                values = self.coef[shown[mask]]
                stems(where[mask], 0.0, values, color=color, linewidth=width, zorder=2)
            style = {"marker": "o", "markersize": dot, "color": color, "zorder": 4}
            markers(mask, self.coef, **(style | {"label": label} | kwargs))
        if self.coef_true is None:
            return
        ring = {"marker": "o", "markersize": dot + 2.5, "markerfacecolor": "none"}
        for mask, color, label in (
            (~wrong & ~missed, INK, "truth"),
            (missed, _WRONG, "missed"),
        ):
            style = {"markeredgecolor": color, "markeredgewidth": 1.1, "zorder": 3}
            markers(mask, self.coef_true, label=label, **ring, **style)

    def _name_rows(self, shown):
        """Name the rows and put the first one at the top."""
        names = feature_labels(self.feature_names, self.coef.size)
        self.ax_.set_yticks(np.arange(shown.size), [str(names[j]) for j in shown])
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.spines["left"].set_visible(False)
        self.ax_.set_ylim(max(shown.size, 1) - 0.3, -0.7)
        self.ax_.grid(axis="y", color=FAINT, linewidth=0.6)
        self.ax_.set_axisbelow(True)
        self.ax_.set_xlabel("coefficient")

    def _summary(self, shown):
        """One line above the picture: what was found of what there is."""
        prefix = "" if self.name is None else f"{self.name}: "
        total = self.found.size + self.missed.size
        hidden = total + self.false.size - shown.size
        suffix = f" ({shown.size} largest shown)" if hidden > 0 else ""
        if self.coef_true is None:
            return f"{prefix}{total} of {self.coef.size} features{suffix}"
        return (
            f"{prefix}{self.found.size} of {total} found, {self.missed.size} missed, "
            f"{self.false.size} false{suffix}"
        )
