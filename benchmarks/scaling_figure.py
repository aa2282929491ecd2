"""The pictures of :mod:`benchmarks.scaling`: time and memory against size."""

import math

from skopt2.inspection.canvas import FAINT, INK, PALETTE, tidy

_TITLES = {"seconds": "seconds", "megabytes": "MB beyond the data"}


def _name(result):
    slope = result["time_exponent"]
    return result["label"] + ("" if math.isnan(slope) else f", exponent {slope:.1f}")


def _plot(ax, results, what, colors):
    for result in results:
        points = [p for p in result["points"] if what == "seconds" or p[what] >= 1.0]
        ax.loglog(
            [point["size"] for point in points],
            [point[what] for point in points],
            marker="o",
            markersize=3,
            linewidth=1.4,
            color=colors[result["label"]],
            label=_name(result),
        )


def _finish(ax):
    """Set limits and ticks, once all panels that share them have their lines."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = ax.get_ylim()
    # a flat curve has to look flat
    widen = max(1.0, 10.0 * low / high) ** 0.5
    ax.set_ylim(low / widen, high * widen)
    for side in (ax.xaxis, ax.yaxis):
        low, high = side.get_view_interval()
        steps = (1.0,) if high > 100.0 * low else (1.0, 2.0, 5.0)
        side.set_major_locator(LogLocator(subs=steps, numticks=12))
        side.set_minor_locator(NullLocator())
        side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.grid(color=FAINT, linewidth=0.6)
    tidy(ax)


def draw(results, path):
    """Draw the curves of a family: a column for each axis, time above memory.

    Parameters
    ----------
    results : list of dict
        Curves as :func:`benchmarks.scaling.run` returns them.
    path : pathlib.Path
        SVG file to write.
    """
    import matplotlib.pyplot as plt

    axes = list(dict.fromkeys(result["axis"] for result in results))
    labels = list(dict.fromkeys(result["label"] for result in results))
    colors = dict(zip(labels, PALETTE, strict=False))
    settings = {"svg.fonttype": "none", "svg.hashsalt": "scaling", "font.size": 9}
    settings["font.family"] = ["sans-serif"]
    settings["font.sans-serif"] = ["DejaVu Sans", "Arial"]
    with plt.rc_context(settings):
        figure, grid = plt.subplots(
            2,
            len(axes),
            figsize=(3.4 * max(len(axes), 1.3), 3.9 + 0.17 * len(labels)),
            squeeze=False,
            sharex="col",
            sharey="row",
            height_ratios=(1.4, 1.0),
            layout="constrained",
        )
        for j, axis in enumerate(axes):
            chosen = [result for result in results if result["axis"] == axis]
            for i, what in enumerate(_TITLES):
                _plot(grid[i, j], chosen, what, colors)
            # above the panel, where it covers no line
            grid[0, j].legend(
                loc="lower left",
                bbox_to_anchor=(-0.02, 1.0),
                frameon=False,
                fontsize=8,
                labelcolor=INK,
                handlelength=1.4,
                labelspacing=0.3,
            )
            grid[1, j].set_xlabel(axis)
        for ax in grid.flat:
            _finish(ax)
        for i, title in enumerate(_TITLES.values()):
            grid[i, 0].set_ylabel(title)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        plt.close(figure)
