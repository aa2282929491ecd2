"""Profiles of hypothesis: ``ci`` by default, ``--hypothesis-profile=thorough`` by hand.

In continuous integration a property sees a few examples, the same ones every time;
the thorough profile draws many, and new ones in every run.
"""

from hypothesis import HealthCheck, settings

_COMMON = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    # Fixtures of arrays do not change between examples.
    "suppress_health_check": list(HealthCheck),
}
settings.register_profile("ci", max_examples=2, derandomize=True, **_COMMON)
settings.register_profile("thorough", max_examples=150, **_COMMON)
settings.load_profile("ci")
