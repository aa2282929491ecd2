"""What fits cost as the data grow: seconds, memory, exponents, a picture per family.

Run from the root of the repository, on a machine that is not busy; about ten minutes::

    python -m benchmarks.scaling
    python -m benchmarks.scaling --families sparse transport --figures doc/images
    python -m benchmarks.scaling --read --figures doc/images

Every point is a fit in a process of its own, on one thread, after a fit of the smallest
size that loads what is loaded once. Time is that of the processor, the least of some
fits where they are short. Memory is what the process grows by beyond the data, at its
peak. The exponent b of ``time = a * size^b`` is that of a least squares line through
the logarithms, over the upper sizes; the same for memory, where it exceeds a few
megabytes.

The JSON file has the machine, the versions and all points. A run of some families keeps
what the file has of others; ``--read`` measures nothing, and draws the pictures and
prints the table from the file. Beside the pictures is ``scaling.csv``, the table of the
user guide.
"""

import argparse
import csv
import datetime
import json
import math
import os
import platform
from pathlib import Path

import numpy as np
import scipy
import sklearn

from benchmarks.machine import processor
from benchmarks.scaling_cases import CURVES
from benchmarks.scaling_figure import draw
from benchmarks.scaling_point import in_fresh_process

# the exponent is that of this many sizes, the largest ones
_UPPER = 4

# names of pictures, in the order of the table
_FAMILIES = list(dict.fromkeys(curve.family for curve in CURVES))

# megabytes below which a process grows by chance
_NOISE = 4.0


def exponent(sizes, values, least=0.0):
    """Slope of the logarithms over the upper sizes.

    Parameters
    ----------
    sizes, values : sequence of float
        The points, by growing size.
    least : float, default=0.0
        Values at or below it are left out.

    Returns
    -------
    float
        NaN with fewer than three points.
    """
    pairs = list(zip(sizes, values, strict=True))[-_UPPER:]
    kept = np.array([pair for pair in pairs if pair[1] > least])
    if len(kept) < 3:
        return math.nan
    return float(np.polyfit(*np.log(kept).T, 1)[0])


def run(curve, points=None, most=10.0, measured=in_fresh_process):
    """Measure a curve from small to large, until a point exceeds its time.

    Parameters
    ----------
    curve : Curve
        What is fitted.
    points : int or None
        Measure only that many of the sizes; None for all.
    most : float, default=10.0
        Seconds of a fit after which no larger one is tried.
    measured : callable, default=in_fresh_process
        Called with the curve and a size.

    Returns
    -------
    dict
        The curve, its points and its exponents.
    """
    found = []
    for size in curve.sizes[:points]:
        point = measured(curve, size)
        if point is None:
            break
        found.append(point)
        if point["seconds"] > most:
            break
    sizes = [point["size"] for point in found]
    return {
        "family": curve.family,
        "label": curve.label,
        "axis": curve.axis,
        "fixed": curve.fixed,
        "points": found,
        "time_exponent": exponent(sizes, [point["seconds"] for point in found]),
        "memory_exponent": exponent(
            sizes, [point["megabytes"] for point in found], _NOISE
        ),
    }


def environment():
    """Machine, versions and date."""
    return {
        "processor": processor(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "date": datetime.date.today().isoformat(),
    }


def line(result):
    """One line of the table: the largest point and the exponents."""
    head = f"{result['label']:36s} {result['axis']:>10s}"
    if not result["points"]:
        return f"{head}  not measured"
    last = result["points"][-1]
    ended = "" if last["converged"] in (True, None) else "  (short of its tolerance)"
    return (
        f"{head} = {last['size']:<8d} {last['seconds']:8.3f} s "
        f"^{result['time_exponent']:4.1f} {last['megabytes']:8.0f} MB "
        f"^{result['memory_exponent']:4.1f}  {result['fixed']}{ended}"
    )


def _short(value, digits=1):
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def write_table(results, path):
    """Write the largest point and the exponents of each curve, for the user guide.

    Parameters
    ----------
    results : list of dict
        Curves as :func:`run` returns them.
    path : pathlib.Path
        CSV file to write.
    """
    rows = [
        ["Page", "Fit", "What grows, up to", "Seconds", "Exponent", "MB", "Exponent"]
    ]
    for result in sorted(results, key=lambda one: _FAMILIES.index(one["family"])):
        if result["points"]:
            last = result["points"][-1]
            rows.append(
                [
                    f":ref:`{result['family']}`",
                    result["label"],
                    f"{result['axis']}, {last['size']} ({result['fixed']})",
                    f"{last['seconds']:.2g}",
                    _short(result["time_exponent"]),
                    f"{last['megabytes']:.0f}",
                    _short(result["memory_exponent"]),
                ]
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _kept(path, families):
    """Return the curves of other families in a file, if it is there."""
    if not path.exists():
        return []
    curves = json.loads(path.read_text())["curves"]
    return [curve for curve in curves if curve["family"] not in families]


def main(argv=None):
    """Measure what is asked for, print the table, write the file and the pictures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--families", nargs="+", choices=_FAMILIES, default=_FAMILIES)
    parser.add_argument("--points", type=int, help="only so many sizes of each curve")
    parser.add_argument("--output", type=Path, default=Path("scaling.json"))
    parser.add_argument("--read", action="store_true", help="measure nothing")
    parser.add_argument("--figures", type=Path, help="folder for pictures and table")
    options = parser.parse_args(argv)
    if options.read:
        results = json.loads(options.output.read_text())
    else:
        for name in ("OMP", "OPENBLAS", "MKL", "BLIS"):
            os.environ[f"{name}_NUM_THREADS"] = "1"
        curves = _kept(options.output, options.families)
        results = {"environment": environment(), "curves": curves}
    for family in options.families:
        print(family)
        if not options.read:
            for curve in [curve for curve in CURVES if curve.family == family]:
                results["curves"].append(run(curve, options.points))
                print(f"  {line(results['curves'][-1])}", flush=True)
                options.output.write_text(json.dumps(results, indent=1) + "\n")
        chosen = [one for one in results["curves"] if one["family"] == family]
        if options.read:
            print("\n".join(f"  {line(result)}" for result in chosen))
        if options.figures and chosen:
            draw(chosen, options.figures / f"scaling_{family}.svg")
    if options.figures:
        write_table(results["curves"], options.figures / "scaling.csv")


if __name__ == "__main__":
    main()
