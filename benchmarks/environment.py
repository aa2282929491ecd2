"""Create an environment for adelie, whose NumPy pin clashes with everybody else's.

Run ``python -m benchmarks.environment FOLDER``; the benchmark is then given
``--python adelie=FOLDER/bin/python``.
"""

import argparse
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = ("adelie", "scipy")


def create(folder, requirements=REQUIREMENTS):
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
    print(create(parser.parse_args(argv).folder))


if __name__ == "__main__":
    main()
