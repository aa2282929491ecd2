"""Install what the tests need into a virtual environment, then run them.

Usage: python3 tests/run.py [arguments of pytest]
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from environment import enter  # noqa: E402


def main():
    """Run pytest from the root of the repository and pass its status on."""
    enter("test")
    command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
