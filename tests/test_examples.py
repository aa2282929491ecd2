"""The gallery is well formed, and its runner reports what happened.

The examples themselves take minutes; ``examples/run_gallery.py`` runs them.
"""

import ast
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
ORDER = EXAMPLES.parent / "doc" / "gallery_order.py"
SCRIPTS = sorted(EXAMPLES.glob("*/plot_*.py"))

GOOD = """
from types import SimpleNamespace
import matplotlib.pyplot as plt

class Certificate:
    tol = 1e-6
    def __init__(self, value=1e-9):
        self.value = value
        self.holds = value <= self.tol
    def __str__(self):
        return f"duality gap {self.value}"

fit = SimpleNamespace(certificate_=Certificate(), stop_reason_="converged")
search = SimpleNamespace(best_estimator_=SimpleNamespace(
    steps=[("scale", 1), ("model", SimpleNamespace(
        certificate_=Certificate(), stop_reason_="max_iter"))]))
again = [fit]
path = SimpleNamespace(certificates=[Certificate(1e-8), Certificate(1e-3)])
plt.plot([0, 1])
plt.show()
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_opens_with_a_title(script):
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    title, rule = docstring.splitlines()[:2]
    assert len(rule) == len(title)
    assert set(rule) == {"="}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_draws_and_says_what_to_try_next(script):
    text = script.read_text(encoding="utf-8")
    assert "plt.show()" in text
    assert "**Try next:**" in text[text.rindex("# %%") :]


def test_every_example_has_its_place_in_the_gallery():
    names = [script.name for script in SCRIPTS]
    assert sorted(runpy.run_path(str(ORDER))["ORDER"]) == sorted(names)


def test_every_family_has_a_header():
    for folder in {script.parent for script in SCRIPTS}:
        assert (folder / "README.txt").is_file()


def run_child(source, folder):
    """Run one script as the gallery does; return the status and its report."""
    script, report = folder / "plot_case.py", folder / "report.json"
    script.write_text(source, encoding="utf-8")
    command = [sys.executable, str(EXAMPLES / "run_gallery.py")]
    command += ["--output", str(folder), "--child", str(script), str(report)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done, json.loads(report.read_text(encoding="utf-8"))


def test_runner_reports_fits_and_saves_pictures(tmp_path):
    done, report = run_child(GOOD, tmp_path)
    assert done.returncode == 0, done.stderr
    assert report["pictures"] == len(list(tmp_path.glob("*.png"))) == 1
    rows = [(fit["fit"], fit["stopped"], fit["holds"]) for fit in report["fits"]]
    assert rows == [
        ("fit", "converged", True),
        ("search.best_estimator_['model']", "max_iter", True),
        ("path, worst of 2", "", False),
    ]
    assert report["fits"][0]["certificate"] == "duality gap 1e-09"


def test_runner_hides_the_folders_of_the_families(tmp_path):
    """Dask asks for a package named sparse, and must not get the examples."""
    source = "import importlib.util\nassert importlib.util.find_spec('privacy') is None"
    assert run_child(source, tmp_path)[0].returncode == 0


def test_runner_reports_a_failing_example(tmp_path):
    done, report = run_child("raise ValueError('why it failed')", tmp_path)
    assert done.returncode == 1
    assert "why it failed" in done.stderr
    assert report == {"pictures": 0, "fits": []}


def test_runner_says_which_folders_there_are():
    command = [sys.executable, str(EXAMPLES / "run_gallery.py"), "no such example"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "No example has 'no such example' in its path. Folders: co" in done.stderr
