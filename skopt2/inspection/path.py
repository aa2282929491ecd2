"""How coefficients enter a model as its penalty is lowered, and how it scores."""

import textwrap

import numpy as np

from skopt2._core.parameters import check_choice
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
from skopt2.inspection.fitted import (
    feature_labels,
    host_array,
    path_coefficients,
    path_matrix,
    unwrap,
)

_X_KINDS = ("alpha", "l1_norm")


class PathDisplay:
    """Coefficient paths, the selected penalty, and optionally the score curve.

    Create it with :meth:`from_estimator` or :meth:`from_path`.

    Parameters
    ----------
    alphas : array of shape (n_alphas,)
        Penalties.
    coefs : array of shape (n_alphas, n_features)
        Coefficients at each penalty.
    alpha : float, default=None
        Selected penalty.
    feature_names : array-like of str of shape (n_features,), default=None
        Names. By default x0, x1, ...
    scores : array of shape (n_alphas, n_folds), default=None
        Score of each fold at each penalty.
    score_name : str, default="score"
        Label of the score axis.
    coef_name : str, default="coefficient"
        Label of the coefficient axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Panel of the coefficients.
    score_ax_ : matplotlib Axes or None
        Panel of the scores.
    figure_ : matplotlib Figure
        The figure.
    lines_ : dict of str to matplotlib Line2D
        The highlighted paths by feature name.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.inspection import PathDisplay
    >>> alphas = np.array([1.0, 0.1, 0.01])
    >>> coefs = np.array([[0.0, 0.0], [0.5, 0.0], [0.9, -0.2]])
    >>> display = PathDisplay(alphas, coefs, feature_names=["age", "dose"]).plot()
    >>> list(display.lines_)
    ['age', 'dose']
    """

    def __init__(
        self,
        alphas,
        coefs,
        *,
        alpha=None,
        feature_names=None,
        scores=None,
        score_name="score",
        coef_name="coefficient",
    ):
        self.alphas = alphas
        self.coefs = coefs
        self.alpha = alpha
        self.feature_names = feature_names
        self.scores = scores
        self.score_name = score_name
        self.coef_name = coef_name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        x="alpha",
        n_labels=8,
        scores=True,
        target=None,
        feature_names=None,
        ax=None,
        **kwargs,
    ):
        """Draw the path of a fitted cross-validated estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with ``alphas_``, ``coef_path_``, ``alpha_`` and, for the
            score curve, ``scores_path_``; or a pipeline or search around one.
        x : {"alpha", "l1_norm"}, default="alpha"
            Penalty on a logarithmic axis, or size of the model.
        n_labels : int, default=8
            How many features to highlight and name.
        scores : bool, default=True
            Whether to draw the score curve below.
        target : int, default=None
            Class whose coefficients to draw where there are several; by default the
            Euclidean norm over all of them.
        feature_names : array-like of str, default=None
            By default those that the estimator was fitted with.
        ax : matplotlib Axes or pair of them, default=None
            Where to draw; two axes with the score curve. By default a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for the highlighted paths.

        Returns
        -------
        display : PathDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        fit, names = unwrap(estimator, "coef_path_")
        coefs, coef_name = path_matrix(
            fit.coef_path_, target, getattr(fit, "n_features_in_", None)
        )
        scoring = getattr(fit, "scoring", None)
        display = cls(
            fit.alphas_,
            coefs,
            alpha=getattr(fit, "alpha_", None),
            feature_names=names if feature_names is None else feature_names,
            scores=getattr(fit, "scores_path_", None),
            score_name=scoring if isinstance(scoring, str) else "score",
            coef_name=coef_name,
        )
        scores = scores and display.scores is not None
        return display.plot(ax, x=x, n_labels=n_labels, scores=scores, **kwargs)

    @classmethod
    def from_path(
        cls,
        path,
        *,
        alpha=None,
        x="alpha",
        n_labels=8,
        target=None,
        feature_names=None,
        ax=None,
        **kwargs,
    ):
        """Draw the path that ``sparse_path`` returned.

        Parameters
        ----------
        path : PathResult
            Anything with ``alphas`` of shape (n_alphas,) and ``coefs`` of shape
            (n_alphas, n_features) or (n_alphas, n_features, n_targets).
        alpha : float, default=None
            Penalty to mark.
        x : {"alpha", "l1_norm"}, default="alpha"
            Penalty on a logarithmic axis, or size of the model.
        n_labels : int, default=8
            How many features to highlight and name.
        target : int, default=None
            Class whose coefficients to draw where there are several; by default the
            Euclidean norm over all of them.
        feature_names : array-like of str, default=None
            Names of the features.
        ax : matplotlib Axes, default=None
            Where to draw.
        **kwargs : dict
            Passed to ``Axes.plot`` for the highlighted paths.

        Returns
        -------
        display : PathDisplay
            The display, drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_path")
        coefs, coef_name = path_matrix(path_coefficients(path), target, None)
        display = cls(
            path.alphas,
            coefs,
            alpha=alpha,
            feature_names=feature_names,
            coef_name=coef_name,
        )
        return display.plot(ax, x=x, n_labels=n_labels, **kwargs)

    def plot(self, ax=None, *, x="alpha", n_labels=8, scores=False, **kwargs):
        """Draw the paths.

        Models grow from left to right. Features that matter most at the selected
        penalty (over the whole path where none is selected) are drawn in color and
        named at the right; the others are grey.

        Parameters
        ----------
        ax : matplotlib Axes or pair of them, default=None
            Where to draw; two axes with the score curve. By default a new figure.
        x : {"alpha", "l1_norm"}, default="alpha"
            Penalty on a logarithmic axis, or the l1 norm of the coefficients. A
            penalty of 0 has no place on the logarithmic axis and is left out there.
        n_labels : int, default=8
            How many features to highlight and name.
        scores : bool, default=False
            Whether to draw the mean score over the folds with its standard error in a
            panel below.
        **kwargs : dict
            Passed to ``Axes.plot`` for the highlighted paths.

        Returns
        -------
        display : PathDisplay
            Itself.

        Raises
        ------
        ValueError
            If ``x`` is unknown, ``scores`` is asked for and there are none, shapes do
            not match, or ``ax`` has the wrong number of axes.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        check_choice("x", x, _X_KINDS)
        if scores and self.scores is None:
            raise ValueError("scores=True needs the scores of a cross-validated fit.")
        alphas, coefs = self._checked()
        places = self._places(alphas, coefs, x)
        count = 2 if scores else 1
        if ax is None:
            heights, size = ((2.4, 1.0), (6.8, 5.8)) if scores else ((1.0,), (6.8, 4.2))
            panels = new_axes(heights, size)
        else:
            panels = as_panels(ax, count, type(self).__name__)
        self.ax_ = panels[0]
        self.score_ax_ = panels[1] if scores else None
        self.figure_ = self.ax_.figure
        names = feature_labels(self.feature_names, coefs.shape[1])
        self._draw_paths(places, alphas, coefs, names, n_labels, kwargs)
        if scores:
            self._draw_scores(places, alphas)
        self._finish_axis(panels, places, x)
        self._mark_selected(panels, places, alphas, coefs)
        shown = [j for j in self._ranked if names[j] in self.lines_]
        edge = np.nanargmin(places) if x == "alpha" else np.nanargmax(places)
        label_right(
            self.ax_,
            coefs[edge, shown],
            [str(names[j]) for j in shown],
            [self.lines_[names[j]].get_color() for j in shown],
        )
        return self

    def _checked(self):
        """Return penalties and coefficients on the host, by decreasing penalty."""
        alphas = host_array(self.alphas)
        coefs = host_array(self.coefs)
        if coefs.ndim != 2 or alphas.shape != coefs.shape[:1]:
            raise ValueError(
                "coefs must have shape (n_alphas, n_features) and alphas shape "
                f"(n_alphas,), got {coefs.shape} and {alphas.shape}."
            )
        self._order = np.argsort(-alphas, kind="stable")
        return alphas[self._order], coefs[self._order]

    def _places(self, alphas, coefs, x):
        """Horizontal positions; NaN where there is none."""
        if x == "l1_norm":
            return np.abs(coefs).sum(axis=1)
        return np.where(alphas > 0, alphas, np.nan)

    def _draw_paths(self, places, alphas, coefs, names, n_labels, kwargs):
        """Draw the grey mass and, over it, the features that matter most."""
        from matplotlib.collections import LineCollection

        reference = np.abs(coefs).max(axis=0)
        if self.alpha is not None:
            # Among features that the selected model leaves out the path decides.
            chosen = np.abs(coefs[np.argmin(np.abs(alphas - self.alpha))])
            reference = np.where(chosen > 0, chosen + reference.max(), reference)
        active = np.flatnonzero(np.abs(coefs).max(axis=0) > 0)
        ranked = active[np.argsort(-reference[active], kind="stable")]
        self._ranked, rest = ranked[:n_labels], ranked[n_labels:]
        self.ax_.axhline(0.0, color=FAINT, linewidth=0.8, zorder=0)
        if rest.size:
            segments = [np.column_stack([places, coefs[:, j]]) for j in rest]
            self.ax_.add_collection(
                LineCollection(segments, colors=FAINT, linewidths=0.8, zorder=1)
            )
        self.lines_ = {}
        for i, j in enumerate(self._ranked):
            style = {
                "color": PALETTE[i % len(PALETTE)],
                "linewidth": 1.7,
                "zorder": 3,
                "label": str(names[j]),
            } | kwargs
            (self.lines_[names[j]],) = self.ax_.plot(places, coefs[:, j], **style)
        self.ax_.set_ylabel(self.coef_name)
        note(self.ax_, self._summary(alphas, coefs, active.size))

    def _summary(self, alphas, coefs, n_active):
        if self.alpha is None:
            return f"{n_active} of {coefs.shape[1]} features enter the path"
        selected = np.argmin(np.abs(alphas - self.alpha))
        count = np.count_nonzero(coefs[selected])
        return f"{count} of {coefs.shape[1]} features selected"

    def _draw_scores(self, places, alphas):
        """Draw the mean score over folds and the band of its standard error."""
        scores = host_array(self.scores)
        if scores.ndim == 1:
            scores = scores[:, None]
        if scores.shape[0] != places.size:
            raise ValueError(
                f"scores must have one row for each of the {places.size} penalties, "
                f"got shape {scores.shape}."
            )
        scores = scores[self._order]
        mean = scores.mean(axis=1)
        if scores.shape[1] > 1:
            error = scores.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
            self.score_ax_.fill_between(
                places, mean - error, mean + error, color=PALETTE[0], alpha=0.15, lw=0
            )
        self.score_ax_.plot(places, mean, color=PALETTE[0], linewidth=1.7)
        if self.alpha is not None:
            selected = np.argmin(np.abs(alphas - self.alpha))
            self.score_ax_.plot(
                places[selected], mean[selected], "o", color=PALETTE[0], markersize=4.5
            )
        words = self.score_name.replace("_", " ")
        self.score_ax_.set_ylabel(textwrap.fill(words, 15))

    def _finish_axis(self, panels, places, x):
        for panel in panels:
            tidy(panel)
            if x == "alpha":
                panel.set_xscale("log")
        low, high = np.nanmin(places), np.nanmax(places)
        if low < high:
            panels[-1].set_xlim(*((high, low) if x == "alpha" else (low, high)))
        panels[-1].set_xlabel("alpha" if x == "alpha" else "l1 norm of coefficients")
        self.ax_.autoscale_view(scalex=False)

    def _mark_selected(self, panels, places, alphas, coefs):
        """Draw the selected penalty through all panels, with its value at the top."""
        if self.alpha is None:
            return
        selected = int(np.argmin(np.abs(alphas - self.alpha)))
        if not np.isfinite(places[selected]):
            return
        for panel in panels:
            panel.axvline(
                places[selected],
                color=GREY,
                linewidth=1.0,
                linestyle=(0, (4, 3)),
                zorder=2,
            )
        # Written on the side of the line where the axes have more room.
        axis = self.ax_.transData.transform((places[selected], 0.0))
        share = self.ax_.transAxes.inverted().transform(axis)[0]
        left = share > 0.5
        self.ax_.annotate(
            f"alpha {self.alpha:.3g}",
            xy=(places[selected], 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if left else 4, -3),
            textcoords="offset points",
            ha="right" if left else "left",
            va="top",
            color=INK,
            fontsize=8.5,
        )
