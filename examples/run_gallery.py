"""Run every example, save its pictures and print what each fit reached.

Usage: python3 examples/run_gallery.py [--output FOLDER] [WORD ...]

Installs what it needs into a virtual environment first. With words, only the
examples whose path contains one of them run. The exit status is 1 if one fails.
"""

import argparse
import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from environment import enter

PATTERN = "examples/*/plot_*.py"
FITS_SHOWN = 6
HEADER = ("example", "seconds", "pictures", "fit", "certificate", "stopped")


def main():
    """Run the examples one after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("words", nargs="*", help="run only paths with one of these")
    parser.add_argument("--output", default="gallery", help="folder of the pictures")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    output = Path(options.output).absolute()
    if options.child:
        return run_one(Path(options.child[0]), output, Path(options.child[1]))
    scripts = [
        script
        for script in sorted(ROOT.glob(PATTERN))
        if not options.words
        or any(word in script.relative_to(ROOT).as_posix() for word in options.words)
    ]
    if not scripts:
        folders = sorted({path.parent.name for path in ROOT.glob(PATTERN)})
        sys.exit(
            f"No example has {' or '.join(map(repr, options.words))} in its path. "
            f"Folders: {', '.join(folders)}."
        )
    enter("examples")
    output.mkdir(parents=True, exist_ok=True)
    reports = [run_in_process(script, output) for script in scripts]
    print_table([row for report in reports for row in rows_of(report)])
    failed = [report["example"] for report in reports if report["failed"]]
    pictures = sum(report["pictures"] for report in reports)
    seconds = sum(report["seconds"] for report in reports)
    print(
        f"\nexamples: {len(reports)} in {seconds:.0f} s, {len(failed)} failed; "
        f"pictures: {pictures} in {output}"
    )
    return 1 if failed else 0


def run_in_process(script, output):
    """Run one example in a fresh interpreter and return its report."""
    name = script.relative_to(ROOT / "examples").as_posix()
    print(f"--- {name}", flush=True)
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ, "MPLBACKEND": "Agg"}
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "report.json"
        command = [sys.executable, str(Path(__file__).resolve())]
        command += ["--output", str(output), "--child", str(script), str(written)]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=script.parent, env=environment)
        seconds = time.perf_counter() - start
        report = {"pictures": 0, "fits": []}
        if written.is_file():
            report = json.loads(written.read_text(encoding="utf-8"))
    report.update(example=name, seconds=seconds, failed=done.returncode != 0)
    return report


def run_one(script, output, report):
    """Run one example here; save its figures and the certificates of its fits."""
    # Not the folder of the families, whose names are those of other packages.
    sys.path[:] = [path for path in sys.path if Path(path) != ROOT / "examples"]
    sys.path[0] = str(script.parent)
    sys.argv = [str(script)]
    from matplotlib import pyplot as plt

    # The figures are saved at the end; Agg would only warn that it shows nothing.
    plt.show = lambda *args, **kwargs: None
    status, namespace = 0, {}
    try:
        namespace = runpy.run_path(str(script), run_name="__main__")
    except BaseException:
        # SystemExit and KeyboardInterrupt of an example are failures as well.
        traceback.print_exc()
        status = 1
    pictures = plt.get_fignums()
    for position, number in enumerate(pictures, start=1):
        picture = output / f"{script.parent.name}_{script.stem[5:]}_{position}.png"
        plt.figure(number).savefig(picture, dpi=150, bbox_inches="tight")
    fits = [
        {
            "fit": name,
            "certificate": str(certificate),
            "holds": bool(certificate.holds),
            "stopped": str(reason),
        }
        for name, certificate, reason in certified(namespace)
    ]
    content = {"pictures": len(pictures), "fits": fits}
    report.write_text(json.dumps(content), encoding="utf-8")
    return status


def certified(namespace):
    """Yield (name, certificate, reason) for the fits in a namespace.

    Looks into pipelines, searches, lists and dictionaries; each fit once, under
    the first name that leads to it. A path counts as one fit, with its worst
    certificate.
    """
    waiting = [pair for pair in namespace.items() if not pair[0].startswith("_")]
    seen = set()
    while waiting:
        name, value = waiting.pop(0)
        if id(value) in seen or isinstance(value, type):
            continue
        seen.add(id(value))
        if hasattr(value, "certificate_") and hasattr(value, "stop_reason_"):
            yield name, value.certificate_, value.stop_reason_
        elif hasattr(value, "certificate") and hasattr(value, "stop_reason"):
            yield name, value.certificate, value.stop_reason
        elif len(getattr(value, "certificates", ())):
            worst = max(value.certificates, key=lambda c: c.value / c.tol)
            yield f"{name}, worst of {len(value.certificates)}", worst, ""
        elif hasattr(value, "best_estimator_"):
            waiting.insert(0, (f"{name}.best_estimator_", value.best_estimator_))
        elif isinstance(getattr(value, "steps", None), list):
            waiting[:0] = [(f"{name}[{key!r}]", step) for key, step in value.steps]
        elif isinstance(value, dict):
            waiting[:0] = [(f"{name}[{key!r}]", item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            waiting[:0] = [(f"{name}[{i}]", item) for i, item in enumerate(value)]


def rows_of(report):
    """Return the lines of the table for one example."""
    seconds, pictures = f"{report['seconds']:.1f}", str(report["pictures"])
    rows = [
        (fit["fit"], fit["certificate"], fit["stopped"])
        for fit in report["fits"][:FITS_SHOWN]
    ]
    hidden = report["fits"][FITS_SHOWN:]
    if hidden:
        held = sum(fit["holds"] for fit in hidden)
        rows.append((f"and {len(hidden)} more", f"{held} within their tol", ""))
    if report["failed"]:
        rows.insert(0, ("FAILED", "the traceback is above", ""))
    rows = rows or [("", "", "")]
    first = (report["example"], seconds, pictures)
    return [(first if i == 0 else ("", "", "")) + row for i, row in enumerate(rows)]


def print_table(rows):
    """Print aligned columns under the header."""
    widths = [max(len(row[i]) for row in [HEADER, *rows]) for i in range(len(HEADER))]
    rule = tuple("-" * width for width in widths)
    print()
    for row in [HEADER, rule, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    sys.exit(main())
