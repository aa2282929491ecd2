"""Install what the tests need into a virtual environment, then run them.

Usage: python3 tests/run.py [arguments of pytest]

The tests are shared out among the cores, ``-n 0`` keeps them in one process.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from environment import enter  # noqa: E402


def main():
    """Run pytest from the root of the repository and pass its status on."""
    enter("test")
    command = [sys.executable, "-m", "pytest", "-n", "auto", *sys.argv[1:]]
    # Thousands of tiny problems: every core has a process of its own already.
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
