"""Group models: skopt2 beside celer, skglm and adelie.

Run from the root of the repository::

    pip install -e .[bench]
    python -m benchmarks.environment build/adelie
    python -m benchmarks.blocks --python adelie=build/adelie/bin/python --threads 1

The cases of :mod:`benchmarks.sparse` whose names begin with ``group``: consecutive
groups of ten features on the dense design D with fewer active columns than samples and
with three to five times as many, on W with ten times as many groups as samples, on the
sparse design S and the tall one T, for squared and logistic losses, and a path. Its
rules hold: the same data, warmed up, to a certificate that the harness computes, peers
at their best settings, skopt2 with the target as ``tol``.
"""

import sys

from benchmarks import sparse


def main(argv=None):
    """Run the group cases and print their table."""
    given = sys.argv[1:] if argv is None else list(argv)
    if "--cases" not in given:
        given = ["--cases", "group", *given]
    sparse.main(given)


if __name__ == "__main__":
    main()
