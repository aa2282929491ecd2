"""A cluster of two worker processes, started once for the tests that want it."""

from contextlib import ExitStack

import pytest


@pytest.fixture(scope="session")
def client():
    """Return the client of a cluster of two processes with one thread each."""
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    with ExitStack() as stack:
        # A cluster gives up a worker that is not there 15 seconds after it died.
        patience = {"distributed.deploy.lost-worker-timeout": "10 minutes"}
        stack.enter_context(dask.config.set(patience))
        cluster = distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            memory_limit=None,
            dashboard_address=":0",
        )
        stack.enter_context(cluster)
        yield stack.enter_context(distributed.Client(cluster))
