"""Run a script of this repository in an environment that has what it needs.

Standard library only, and readable by old Pythons, so that a machine with
nothing but Python gets a clear message instead of a traceback.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)


def enter(extra):
    """Return if skopt2 and its ``extra`` are installed; else install and restart.

    The environment is the active one if skopt2 is installed in it, otherwise
    ``.venv`` in the repository, or the folder that the variable ``SKOPT2_VENV``
    names. The restart replaces the process and keeps its arguments.

    Parameters
    ----------
    extra : str
        Name of the extra in ``setup.cfg`` whose packages the script needs.
    """
    _require_python()
    # The variable ends a restart loop: what pip has installed is trusted once.
    if os.environ.pop("SKOPT2_RESTARTED", None) or _has_everything(extra):
        return
    folder = Path(os.environ.get("SKOPT2_VENV") or ROOT / ".venv").absolute()
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / f"skopt2-{extra}.stamp"
    up_to_date = stamp.is_file() and stamp.read_text() == _fingerprint()
    if not up_to_date or not python.is_file():
        _create(folder, python)
        _install(python, extra, folder)
        stamp.write_text(_fingerprint())
    _restart(python)


def _require_python():
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return
    names = ("python3.14", "python3.13", "python3.12", "python3.11")
    newer = [name for name in names if shutil.which(name)]
    if newer:
        advice = f"{newer[0]} is on this machine: run the command with it."
    else:
        advice = "Install a newer one from https://www.python.org/downloads/."
    sys.exit(
        "skopt2 needs Python {}.{} or newer; this is {}.{} ({}). {}".format(
            *OLDEST_PYTHON, *sys.version_info[:2], sys.executable, advice
        )
    )


def _has_everything(extra):
    """Say whether the active virtual environment has skopt2 and the extra."""
    if sys.prefix == sys.base_prefix:
        return False
    from importlib import metadata

    try:
        for need in metadata.requires("skopt2") or []:
            name, _, marker = need.replace("'", '"').partition(";")
            if "extra ==" not in marker or f'"{extra}"' in marker:
                metadata.version(re.match(r"[A-Za-z0-9._-]+", name).group())
    except metadata.PackageNotFoundError:
        return False
    return True


def _fingerprint():
    """Change whenever the declared dependencies do."""
    files = (ROOT / "setup.cfg", ROOT / "pyproject.toml")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _create(folder, python):
    pip = [str(python), "-m", "pip", "--version"]
    if python.is_file() and not subprocess.run(pip, capture_output=True).returncode:
        return
    _say(f"Creating the virtual environment {folder}")
    made = subprocess.run([sys.executable, "-m", "venv", str(folder)])
    if made.returncode:
        sys.exit(
            "The virtual environment could not be created; the message is above. "
            "Debian and Ubuntu need a package for it: apt install python3-venv"
        )


def _install(python, extra, folder):
    _say(f"Installing skopt2[{extra}] into {folder}: a minute or two the first time")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--editable"]
    if subprocess.run([*pip, f"{ROOT}[{extra}]"]).returncode:
        sys.exit("The installation failed; pip's message is above.")


def _restart(python):
    command = [str(python), *sys.argv]
    os.environ["SKOPT2_RESTARTED"] = "1"
    if os.name == "nt":
        # exec on Windows returns to the shell at once; wait for the child instead.
        sys.exit(subprocess.run(command).returncode)
    os.execv(command[0], command)


def _say(text):
    print(text, file=sys.stderr, flush=True)
