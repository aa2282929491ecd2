"""Create an environment for a library whose pins clash with everybody else's.

Run ``python -m benchmarks.environment FOLDER --library NAME``; the benchmark is then
given ``--python NAME=FOLDER/bin/python``.
"""

import argparse
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = {
    "adelie": ("adelie", "scipy"),
    "pot": ("POT", "scipy"),
    "ott": ("ott-jax", "scipy"),
    # without a compiler its backends that need KeOps are skipped
    "geomloss": ("geomloss", "pykeops", "scipy"),
    "regot": ("regot", "scipy"),
    # imports names that scikit-learn 1.8 no longer has
    "diffprivlib": ("diffprivlib", "scikit-learn<1.7"),
    # a gigabyte each, with torch
    "opacus": ("opacus",),
    "gpytorch": ("gpytorch", "scikit-learn"),
    "dagma": ("dagma", "array-api-compat", "scikit-learn>=1.9"),
    "gglasso": ("gglasso", "array-api-compat", "scikit-learn>=1.9"),
    "riskparity": ("riskparityportfolio", "array-api-compat", "scikit-learn>=1.9"),
    "optuna": ("optuna", "scikit-learn"),
    "skopt": ("scikit-optimize", "scikit-learn"),
}


def create(folder, requirements=REQUIREMENTS["adelie"]):
    """Create a virtual environment with the given packages; return its Python."""
    folder = Path(folder)
    venv.create(folder, with_pip=True)
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = folder / scripts / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", *requirements], check=True
    )
    return python


def main(argv=None):
    """Command line of :func:`create`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--library", choices=REQUIREMENTS, default="adelie")
    options = parser.parse_args(argv)
    print(create(options.folder, REQUIREMENTS[options.library]))


if __name__ == "__main__":
    main()
