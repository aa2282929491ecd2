"""Build the wheel and the source distribution, and test each where it would be used.

Usage: python tools/check_release.py [--output FOLDER] [arguments of pytest]

Each is installed with the extra ``test`` into a new virtual environment. The tests
of the source distribution run in its unpacked folder as the README says, those of
the wheel in a folder without the package's sources, so that only what is installed
can be imported. The exit status is 1 if one fails.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What the tests read beside the package.
BESIDE = (
    *("benchmarks", "doc", "examples", "tests", "tools", ".ci"),
    *("CHANGES.rst", "CITATION.cff", "CONTRIBUTING.rst", "README.rst"),
    *("pyproject.toml", "setup.cfg"),
)


def main():
    """Build, then test the source distribution and the wheel."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", default=ROOT / "dist", type=Path)
    options, arguments = parser.parse_known_args()
    output = options.output.absolute()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        archive, wheel = _build(scratch, output)
        statuses = {
            archive.name: _test_source(archive, scratch / "source", arguments),
            wheel.name: _test_wheel(wheel, archive, scratch / "wheel", arguments),
        }
    for name, status in statuses.items():
        print(f"{name}: {'passes' if status == 0 else f'fails, status {status}'}")
    return int(any(statuses.values()))


def _build(scratch, output):
    """Return the paths of a source distribution and of the wheel made from it."""
    python = _environment(scratch / "build")
    _run([python, "-m", "pip", "install", "--quiet", "build"])
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    _run([python, "-m", "build", "--outdir", scratch / "dist", ROOT])
    output.mkdir(parents=True, exist_ok=True)
    made = [shutil.copy2(path, output) for path in (scratch / "dist").iterdir()]
    archive = next(path for path in made if path.name.endswith(".tar.gz"))
    return archive, next(path for path in made if path.suffix == ".whl")


def _test_source(archive, folder, arguments):
    """Run the README's command in the unpacked source distribution."""
    source = _unpack(archive, folder)
    variables = {**os.environ, "SKOPT2_VENV": str(folder / "venv")}
    command = [sys.executable, source / "tests" / "run.py", *arguments]
    return subprocess.run(command, cwd=source, env=variables).returncode


def _test_wheel(wheel, archive, folder, arguments):
    """Install the wheel, and run the tests where there is no other package."""
    source = _unpack(archive, folder)
    place = folder / "tests_alone"
    place.mkdir()
    for name in BESIDE:
        if (source / name).exists():
            shutil.move(source / name, place)
    python = _environment(folder / "venv")
    _run([python, "-m", "pip", "install", "--quiet", f"{wheel}[test]"])
    command = [python, "-m", "pytest", "-n", "auto", *arguments]
    variables = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
    return subprocess.run(command, cwd=place, env=variables).returncode


def _unpack(archive, folder):
    folder.mkdir()
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return next(folder.iterdir())


def _environment(folder):
    """Return the interpreter of a new virtual environment."""
    venv.create(folder, with_pip=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(command):
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
