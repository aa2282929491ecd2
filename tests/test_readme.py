"""The README's example prints what the README says.

``python tests/test_readme.py`` writes the output of today into the README.
"""

import doctest
import re
import warnings
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.rst"
OPTIONS = doctest.NORMALIZE_WHITESPACE
# How far below the tolerance a fit ends is rounding, and differs between machines.
FIGURE = re.compile(r"\d\.\d+e[+-]\d+(?= \(tol)")


class Checker(doctest.OutputChecker):
    """Compare outputs up to the figure of a certificate."""

    def check_output(self, want, got, optionflags):
        """Say whether the outputs agree."""
        want, got = FIGURE.sub("VALUE", want), FIGURE.sub("VALUE", got)
        return super().check_output(want, got, optionflags)


class Recorder(doctest.DocTestRunner):
    """Keep what each example really printed."""

    def __init__(self):
        super().__init__(verbose=False, optionflags=OPTIONS)
        self.printed = []

    def report_success(self, out, test, example, got):
        """Keep an output that agrees."""
        self.printed.append((example, got))

    def report_failure(self, out, test, example, got):
        """Keep an output that differs."""
        self.printed.append((example, got))


def example_of_readme():
    """Return the doctest in the README."""
    text = README.read_text(encoding="utf-8")
    return doctest.DocTestParser().get_doctest(text, {}, README.name, str(README), 0)


def test_example_prints_what_the_readme_says():
    """Run it with warnings as errors: a reader should see none."""
    test = example_of_readme()
    assert 8 <= len(test.examples) <= 12
    runner = doctest.DocTestRunner(Checker(), verbose=False, optionflags=OPTIONS)
    complaints = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = runner.run(test, out=complaints.append, clear_globs=False)
    assert results.failed == 0, "".join(complaints)
    certificate = test.globs["model"].certificate_
    assert certificate.holds
    assert certificate.value <= certificate.tol


def test_commands_of_the_readme_exist():
    """Every script that the README runs is in the repository."""
    scripts = re.findall(
        r"^ *\$ python3 (\S+\.py)", README.read_text("utf-8"), re.MULTILINE
    )
    assert len(scripts) == 2
    for script in scripts:
        assert (README.parent / script).is_file()


def rewrite():
    """Replace the outputs in the README by those of today."""
    recorder = Recorder()
    recorder.run(example_of_readme(), out=lambda text: None)
    lines = README.read_text(encoding="utf-8").splitlines(keepends=True)
    for example, got in reversed(recorder.printed):
        start = example.lineno + example.source.count("\n")
        stop = start + example.want.count("\n")
        indent = " " * example.indent
        lines[start:stop] = [f"{indent}{line}\n" for line in got.splitlines()]
    README.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    rewrite()
