"""A cluster of two worker processes, started once for the tests that want it."""

from contextlib import ExitStack

import pytest


@pytest.fixture(scope="session")
def client():
    """Return the client of a cluster of two processes with one thread each."""
    distributed = pytest.importorskip("distributed")
    with ExitStack() as stack:
        cluster = distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            memory_limit=None,
            dashboard_address=":0",
        )
        stack.enter_context(cluster)
        yield stack.enter_context(distributed.Client(cluster))
