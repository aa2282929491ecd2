"""What the pictures share: axes, palette, quiet spines, labels beside the lines.

Matplotlib is an extra and slow to import, so every function imports it where it is
used and nothing here touches its global settings.
"""

import numpy as np
from scipy.optimize import isotonic_regression

# Distinguishable with the common color vision deficiencies and in grey print.
PALETTE = (
    "#0B5FA5",
    "#C8553D",
    "#2F855A",
    "#8A5A9E",
    "#B7791F",
    "#2C9AA8",
    "#9B2C4D",
    "#5B6B2F",
)
INK = "#2B2F36"
GREY = "#8A8F98"
FAINT = "#D3D7DC"


def check_matplotlib(caller):
    """Raise an ImportError that names the extra where matplotlib is missing."""
    try:
        import matplotlib.pyplot as plt  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib: pip install 'skopt2[plot]'."
        ) from error


def new_axes(heights=(1.0,), figsize=(6.4, 4.0)):
    """Create a figure of stacked panels that share their x axis.

    Parameters
    ----------
    heights : tuple of float, default=(1.0,)
        Relative heights, one a panel.
    figsize : tuple of float, default=(6.4, 4.0)
        Width and height in inches.

    Returns
    -------
    axes : list of matplotlib Axes
        From top to bottom.
    """
    import matplotlib.pyplot as plt

    # The constrained layout makes room for labels outside the axes.
    figure, axes = plt.subplots(
        len(heights),
        1,
        sharex=True,
        squeeze=False,
        figsize=figsize,
        height_ratios=heights,
        layout="constrained",
    )
    return list(axes[:, 0])


def as_panels(ax, count, caller):
    """Return the caller's axes as a list, or raise a ValueError on a wrong number."""
    panels = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(panels) != count:
        raise ValueError(
            f"{caller} draws {count} panel(s) here and needs as many axes in ax, got "
            f"{len(panels)}."
        )
    return panels


def tidy(ax):
    """Remove the frame's two idle sides and quieten the rest."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)
    ax.tick_params(which="both", color=GREY, labelcolor=INK, labelsize="small")
    ax.xaxis.label.set_color(INK)
    ax.yaxis.label.set_color(INK)


def note(ax, text):
    """Write one line of summary above the axes, at the left."""
    ax.set_title(text, loc="left", fontsize="medium", color=INK)


def legend_below(ax):
    """Draw a legend in one row under the axis label, where it covers nothing."""
    from matplotlib.transforms import ScaledTranslation

    # In points, so that tall and short axes leave the same gap.
    below = ScaledTranslation(0.0, -33.0 / 72.0, ax.figure.dpi_scale_trans)
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(0.0, 0.0),
        bbox_transform=ax.transAxes + below,
        ncols=4,
        frameon=False,
        fontsize="small",
        labelcolor=INK,
        handletextpad=0.2,
        columnspacing=1.4,
        borderaxespad=0.0,
        borderpad=0.0,
    )


def spread(positions, gap):
    """Move positions apart to a minimal distance with the least squared displacement.

    With i the rank of p_i, the problem min sum (x_i - p_i)^2 s.t. x_{i+1} - x_i >= gap
    is an isotonic regression in x_i - i gap.

    Parameters
    ----------
    positions : array-like of shape (n,)
        Where the labels would like to be.
    gap : float
        Least distance between two labels.

    Returns
    -------
    moved : ndarray of shape (n,)
        Same order as the input.
    """
    positions = np.asarray(positions, dtype=float)
    if positions.size < 2:
        return positions
    order = np.argsort(positions, kind="stable")
    steps = gap * np.arange(positions.size)
    moved = np.empty_like(positions)
    moved[order] = isotonic_regression(positions[order] - steps).x + steps
    return moved


def text_height(ax, size_points):
    """Height of a line of text as a share of the height of the axes."""
    inches = ax.get_window_extent().height / ax.figure.dpi
    return 1.35 * size_points / 72.0 / max(inches, 1e-3)


def label_right(ax, values, names, colors, size=8.5):
    """Write names beside the right edge of the axes, at the height of their lines.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes with their final limits.
    values : array-like of shape (n,)
        Heights of the line ends, in data coordinates.
    names, colors : list of str
        Label and color of each line.
    size : float, default=8.5
        Font size in points.

    Returns
    -------
    texts : list of matplotlib Text
        The labels in the given order.
    """
    points = np.column_stack([np.zeros(len(names)), np.asarray(values, dtype=float)])
    pixels = ax.transData.transform(points)
    heights = ax.transAxes.inverted().transform(pixels)[:, 1]
    places = spread(heights, text_height(ax, size))
    texts = []
    for height, place, name, color in zip(heights, places, names, colors, strict=True):
        ax.plot(
            [1.0, 1.02],
            [height, place],
            transform=ax.transAxes,
            color=color,
            linewidth=0.8,
            clip_on=False,
        )
        texts.append(
            ax.text(
                1.028,
                place,
                name,
                transform=ax.transAxes,
                color=color,
                fontsize=size,
                va="center",
                ha="left",
            )
        )
    return texts


def label_ends(ax, ends, names, colors, size=8.5):
    """Write names just right of line ends anywhere in the axes, without overlap.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes with their final limits.
    ends : list of (float, float)
        Data coordinates of the ends.
    names, colors : list of str
        Label and color of each line.
    size : float, default=8.5
        Font size in points.

    Returns
    -------
    texts : list of matplotlib Annotation
        The labels in the given order.
    """
    pixels = ax.transData.transform(np.asarray(ends, dtype=float).reshape(-1, 2))
    line = size / 72.0 * ax.figure.dpi
    # Labels of lines that end far apart sideways may share a height.
    places = pixels[:, 1].copy()
    widths = np.array([0.62 * line * len(name) for name in names])
    for cluster in _side_by_side(pixels[:, 0], widths):
        places[cluster] = spread(pixels[cluster, 1], 1.3 * line)
    # Keeps grid and tolerance lines from running through the letters.
    plate = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.6}
    scale = 72.0 / ax.figure.dpi
    return [
        ax.annotate(
            name,
            xy=end,
            xytext=(5.0, (place - pixel[1]) * scale),
            textcoords="offset points",
            color=color,
            fontsize=size,
            va="center",
            ha="left",
            bbox=plate | {"alpha": 0.8},
            annotation_clip=False,
        )
        for name, end, place, pixel, color in zip(
            names, ends, places, pixels, colors, strict=True
        )
    ]


def _side_by_side(lefts, widths):
    """Group labels whose horizontal extents overlap, directly or through others."""
    clusters, reach = [], -np.inf
    for i in np.argsort(lefts, kind="stable"):
        if lefts[i] > reach:
            clusters.append([])
        clusters[-1].append(i)
        reach = max(reach, lefts[i] + widths[i])
    return clusters
