"""Where a transport plan sends the mass: a matrix, or lines between two clouds."""

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
from skopt2.inspection.fitted import host_array, recorded

_KINDS = ("auto", "heatmap", "lines")
_SOURCE, _TARGET = PALETTE[0], PALETTE[1]


class TransportPlanDisplay:
    """A transport plan as a matrix, or as lines between the points that it joins.

    Create it with :meth:`from_result`, :meth:`from_estimator` or :meth:`from_plan`.

    Parameters
    ----------
    plan : array of shape (n, m)
        Transport plan.
    source, target : array of shape (n, 2) and (m, 2), default=None
        Points, of which "lines" needs both. Further columns are not drawn.
    name : str, default=None
        Name of the problem, above the picture.

    Attributes
    ----------
    effective_targets : float
        Number of targets that a unit of mass is spread over: the exponential of the
        entropy of a row, averaged over the mass of the rows. 1 for a map.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.inspection import TransportPlanDisplay
    >>> display = TransportPlanDisplay.from_plan(np.eye(3) / 3)
    >>> round(display.effective_targets, 6)
    1.0
    """

    def __init__(self, plan, *, source=None, target=None, name=None):
        self.plan = host_array(plan)
        if self.plan.ndim != 2:
            raise ValueError(f"plan must have shape (n, m), got {self.plan.shape}.")
        n, m = self.plan.shape
        self.source = _check_points(source, n, "source")
        self.target = _check_points(target, m, "target")
        self.name = name

    @property
    def effective_targets(self):
        """Number of targets that a unit of mass is spread over."""
        P = np.maximum(self.plan, 0.0)
        rows = P.sum(axis=1)
        kept = rows > 0
        if not kept.any():
            return 0.0
        share = P[kept] / rows[kept, None]
        logs = np.log(np.where(share > 0, share, 1.0))
        spread = np.exp(-(share * logs).sum(axis=1))
        return float(np.average(spread, weights=rows[kept]))

    @classmethod
    def from_result(
        cls,
        result,
        *,
        source=None,
        target=None,
        name=None,
        kind="auto",
        ax=None,
        **kwargs,
    ):
        """Draw the plan of a result.

        Parameters
        ----------
        result : TransportResult
            Or anything else with an attribute ``plan``.
        source, target : array of shape (n, 2) and (m, 2), default=None
            Points.
        name : str, default=None
            Name of the problem. By default its regularisation.
        kind : {"auto", "heatmap", "lines"}, default="auto"
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            Where to draw.
        **kwargs : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : TransportPlanDisplay
            The display, drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_result")
        if name is None and hasattr(result, "reg"):
            name = f"reg {result.reg:.3g}"
        display = cls(result.plan, source=source, target=target, name=name)
        return display.plot(ax, kind=kind, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        source=None,
        target=None,
        name=None,
        kind="auto",
        ax=None,
        **kwargs,
    ):
        """Draw the plan of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, with an attribute ``plan_``.
        source, target : array of shape (n, 2) and (m, 2), default=None
            Points.
        name : str, default=None
            Label. By default the name of the class.
        kind : {"auto", "heatmap", "lines"}, default="auto"
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            Where to draw.
        **kwargs : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : TransportPlanDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        plan = recorded(estimator, "plan_")
        name = type(estimator).__name__ if name is None else name
        display = cls(plan, source=source, target=target, name=name)
        return display.plot(ax, kind=kind, **kwargs)

    @classmethod
    def from_plan(
        cls,
        plan,
        *,
        source=None,
        target=None,
        name=None,
        kind="auto",
        ax=None,
        **kwargs,
    ):
        """Draw a given plan.

        Parameters
        ----------
        plan : array of shape (n, m)
            Transport plan.
        source, target : array of shape (n, 2) and (m, 2), default=None
            Points.
        name : str, default=None
            Label.
        kind : {"auto", "heatmap", "lines"}, default="auto"
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            Where to draw.
        **kwargs : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : TransportPlanDisplay
            The display, drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_plan")
        display = cls(plan, source=source, target=target, name=name)
        return display.plot(ax, kind=kind, **kwargs)

    def plot(self, ax=None, *, kind="auto", share=0.99, **kwargs):
        """Draw the plan.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.
        kind : {"auto", "heatmap", "lines"}, default="auto"
            "heatmap": the matrix, source in rows. "lines": the points, and a line for
            each entry, as dark as its share of the mass of a point. "auto" takes
            "lines" where the points are known.
        share : float, default=0.99
            Share of the mass that "lines" draws, largest entries first.
        **kwargs : dict
            Passed to ``Axes.imshow`` or to ``matplotlib.collections.LineCollection``.

        Returns
        -------
        display : TransportPlanDisplay
            Itself.

        Raises
        ------
        ValueError
            If ``kind`` is unknown, or "lines" lacks the points.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        check_choice("kind", kind, _KINDS)
        known = self.source is not None and self.target is not None
        if kind == "auto":
            kind = "lines" if known else "heatmap"
        if kind == "lines" and not known:
            raise ValueError(
                "kind='lines' needs the points: pass source and target, or use "
                "kind='heatmap'."
            )
        if not 0.0 < share <= 1.0:
            raise ValueError(f"share must be in (0, 1], got {share!r}.")
        if ax is None:
            (ax,) = new_axes(figsize=(5.2, 4.6))
        self.ax_, self.figure_ = ax, ax.figure
        tidy(ax)
        if kind == "lines":
            self._lines(share, kwargs)
        else:
            self._matrix(kwargs)
        prefix = "" if self.name is None else f"{self.name}: "
        spread = self.effective_targets
        note(ax, f"{prefix}a unit of mass goes to {spread:.3g} targets")
        return self

    def _matrix(self, kwargs):
        from matplotlib.colors import LinearSegmentedColormap

        paper = LinearSegmentedColormap.from_list("plan", ["white", _SOURCE, INK])
        style = {"cmap": paper, "aspect": "auto", "interpolation": "nearest", "vmin": 0}
        image = self.ax_.imshow(self.plan, **(style | kwargs))
        bar = self.figure_.colorbar(image, ax=self.ax_, label="mass", pad=0.02)
        bar.outline.set_edgecolor(FAINT)
        bar.ax.tick_params(color=GREY, labelcolor=INK, labelsize="small")
        self.ax_.set_xlabel("target")
        self.ax_.set_ylabel("source")

    def _lines(self, share, kwargs):
        from matplotlib.collections import LineCollection

        rows, columns = _heaviest(self.plan, share)
        mass = self.plan[rows, columns]
        segments = np.stack([self.source[rows], self.target[columns]], axis=1)
        # Opaque where a point sends all of its mass; faint lines add up to a shade.
        whole = max(float(self.plan.sum(axis=1).max(initial=0.0)), np.finfo(float).tiny)
        colors = np.zeros((mass.size, 4))
        colors[:, :3] = [int(GREY[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        colors[:, 3] = np.clip(mass / whole, 0.004, 1.0)
        style = {"colors": colors, "linewidths": 0.8, "zorder": 1}
        self.ax_.add_collection(LineCollection(segments, **(style | kwargs)))
        for points, mass_of, color, label in (
            (self.source, self.plan.sum(axis=1), _SOURCE, "source"),
            (self.target, self.plan.sum(axis=0), _TARGET, "target"),
        ):
            top = max(float(mass_of.max(initial=0.0)), np.finfo(float).tiny)
            size = 4.0 + 20.0 * np.clip(mass_of / top, 0.0, 1.0)
            style = {"s": size, "color": color, "linewidths": 0, "zorder": 2}
            self.ax_.scatter(points[:, 0], points[:, 1], label=label, **style)
        self.ax_.set_aspect("equal", adjustable="datalim")
        self.ax_.autoscale_view()
        legend_below(self.ax_)


def _heaviest(plan, share):
    """Return the places of the largest entries that hold a share of the mass."""
    flat = np.maximum(plan, 0.0).ravel()
    order = np.argsort(-flat, kind="stable")
    held = np.cumsum(flat[order])
    total = held[-1] if held.size else 0.0
    count = int(np.searchsorted(held, share * total * (1.0 - 1e-12))) + 1
    kept = order[:count][flat[order[:count]] > 0]
    return np.unravel_index(kept, plan.shape)


def _check_points(points, count, name):
    """Return the first two columns of points, one row for each of ``count``."""
    if points is None:
        return None
    points = host_array(points)
    if points.ndim != 2 or points.shape[0] != count or points.shape[1] < 2:
        raise ValueError(
            f"{name} must have shape ({count}, 2), one point for each row or column of "
            f"the plan, got {points.shape}."
        )
    return points[:, :2]
