"""The figure of the short benchmark: a dot for each case."""

import math

from benchmarks.short.report import families, number, title

_STYLES = {
    "ahead": {"marker": "o", "color": "#1b7837", "label": "skopt2 ahead"},
    "even": {"marker": "s", "color": "#777777", "label": "even"},
    "behind": {"marker": "X", "color": "#c0392b", "label": "skopt2 behind"},
}
_EDGE = 1e-3


def draw(rows, path):
    """Draw ratios of times, grouped by family, with the quality reached.

    Parameters
    ----------
    rows : sequence of Row
        Those without a ratio are left out.
    path : Path
        Its ending says in which format.
    """
    import matplotlib

    matplotlib.use("Agg")
    # The same rows give the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    shown = [row for row in rows if math.isfinite(row.ratio)]
    names = families(shown)
    height = 0.18 * (len(shown) + 1.2 * len(names)) + 1.2
    figure, axes = plt.subplots(figsize=(8.2, max(height, 2.5)), layout="constrained")
    heads = [name[0].upper() + name[1:] for name in names]
    place, ticks, labels = 0.0, [], []
    for name in names:
        axes.axhline(place + 0.6, color="#dddddd", linewidth=0.8, zorder=0)
        ticks.append(place)
        labels.append(name[0].upper() + name[1:])
        place -= 1.0
        for row in [row for row in shown if row.family == name]:
            _dot(axes, row, place)
            ticks.append(place)
            labels.append(row.case)
            place -= 1.0
        place -= 0.2
    axes.set_yticks(ticks, labels, fontsize=7.5)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in heads else "normal")
    axes.set_ylim(place + 0.3, 0.7)
    _finish(axes, plt)
    options = {"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": 130}
    figure.savefig(path, **options)
    plt.close(figure)


def _dot(axes, row, place):
    style = {**_STYLES[row.verdict], "zorder": 3}
    style.pop("label")
    ratio = max(row.ratio, _EDGE)
    face = style["color"] if row.target is not None else "white"
    axes.plot(
        ratio, place, linestyle="none", markersize=6.5, markerfacecolor=face, **style
    )
    text = f"{title(row.peer)};  {row.measure} {number(row.quality)}"
    if row.target is None:
        text += f" / {number(row.peer_quality)}"
    axes.text(
        1.01,
        place,
        text,
        transform=axes.get_yaxis_transform(),
        fontsize=7,
        verticalalignment="center",
    )


def _finish(axes, plt):
    axes.set_xscale("log")
    axes.axvline(1.0, color="black", linewidth=1.0, zorder=1)
    axes.grid(axis="x", color="#eeeeee", zorder=0)
    axes.set_axisbelow(True)
    axes.set_xlabel("seconds of skopt2 / seconds of the best peer")
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    handles = [
        plt.Line2D([], [], linestyle="none", markersize=6.5, **style)
        for style in _STYLES.values()
    ]
    handles.append(
        plt.Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            markerfacecolor="white",
            color="black",
            label="quality decides, then time",
        )
    )
    axes.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=4,
        fontsize=8,
        frameon=False,
    )
