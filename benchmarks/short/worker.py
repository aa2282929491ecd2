"""Process in which one library enters one contest.

``python -m benchmarks.short.worker MODULE CONTEST LIBRARY --answer FILE`` writes the
outcome to a file, since libraries print. Needs only NumPy, SciPy, the library and what
the module of the contest imports.
"""

import argparse
import importlib
import json
import traceback
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.short.contest import Outcome, Place
from benchmarks.short.libraries import version_of

# A single fit may be this many times longer than what all settings may take.
_PATIENCE = 3.0


def find(module, name):
    """Contest of a name among those of a module."""
    contests = importlib.import_module(module).CONTESTS
    return next(one for one in contests if one.name == name)


def limit_processor(seconds):
    """Let the system end this process after so many processor seconds."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (max(1, round(seconds)), hard))


def enter(module, name, library, place):
    """Return the outcome of a library, whatever happens short of the end."""
    try:
        version = version_of(library)
    except ImportError as error:
        return Outcome(library, error=f"not installed ({error})")
    try:
        outcome = find(module, name).enter(library, place)
    except ImportError as error:
        return Outcome(library, version=version, error=f"not installed ({error})")
    except Exception as error:
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}"
        return Outcome(library, version=version, error=text)
    return replace(outcome, version=version)


def main(argv=None):
    """Enter one contest and write the outcome."""
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("contest")
    parser.add_argument("library")
    parser.add_argument("--answer", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--limit", type=float, default=Place.limit)
    options = parser.parse_args(argv)
    limit_processor(_PATIENCE * options.limit + 20.0)
    place = Place(options.cache, options.data, options.limit)
    outcome = enter(options.module, options.contest, options.library, place)
    options.answer.write_text(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
