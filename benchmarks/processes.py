"""Starts, asks and ends the worker processes."""

import json
import os
import selectors
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    # the pool of XLA
    "NPROC",
)


class PeerProcess:
    """A worker for one library; restarted when it fails or exceeds its time.

    Parameters
    ----------
    peer : str
        Name of the library.
    interpreter : str
        Python that has it.
    cache : path
        Folder of the data sets.
    threads : int or None
        Threads for everybody; None leaves every library at the machine's cores.
    log : path or None
        File for what the libraries print.
    module : str
        Worker to run.
    """

    def __init__(
        self,
        peer,
        interpreter,
        cache,
        threads=None,
        log=None,
        module="benchmarks.worker",
    ):
        self.module = module
        self.peer = peer
        self.interpreter = interpreter
        self.cache = str(cache)
        self.threads = threads
        self.log = log
        self._process = None

    def _environment(self):
        environment = dict(os.environ)
        environment["PYTHONPATH"] = str(ROOT)
        environment["PYTHONWARNINGS"] = "ignore"
        if self.threads is not None:
            environment.update(dict.fromkeys(THREAD_VARIABLES, str(self.threads)))
        return environment

    def start(self):
        """Start the process; return its greeting (import time or an error)."""
        command = [self.interpreter or sys.executable, "-m", self.module]
        command += ["--peer", self.peer, "--cache", self.cache]
        command += ["--threads", str(self.threads or os.cpu_count())]
        log = open(self.log, "a") if self.log else subprocess.DEVNULL  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=self._environment(),
            cwd=ROOT,
        )
        if self.log:
            log.close()
        greeting = self._read(120.0)
        if "error" in greeting:
            self.stop()
        return greeting

    def _read(self, timeout):
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout):
                return {"error": f"no answer in {timeout:.0f} s", "killed": True}
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"error": "process ended", "killed": True}

    def ask(self, request, timeout):
        """Send one request and wait for its answer; start the process if needed."""
        if self._process is None:
            greeting = self.start()
            if "error" in greeting:
                return greeting
        self._process.stdin.write((json.dumps(request) + "\n").encode())
        self._process.stdin.flush()
        answer = self._read(timeout)
        if answer.pop("killed", False):
            self.stop()
        return answer

    def stop(self):
        """End the process if it runs."""
        if self._process is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._process = None


def start_all(peers, options, module="benchmarks.worker"):
    """Start the workers of the libraries that are there; a line for each other one.

    Parameters
    ----------
    peers : iterable of str
        Names of the libraries.
    options : argparse.Namespace
        With ``python``, pairs PEER=PATH of interpreters, ``cache``, ``threads`` and
        ``log``.
    module : str, default="benchmarks.worker"
        Worker to run.

    Returns
    -------
    processes : dict of str to PeerProcess
        By name.
    versions : dict of str to str
        What the workers say of their libraries.
    """
    interpreters = dict(pair.split("=", 1) for pair in options.python)
    processes, versions = {}, {}
    for peer in peers:
        process = PeerProcess(
            peer,
            interpreters.get(peer, sys.executable),
            options.cache,
            options.threads,
            options.log,
            module,
        )
        greeting = process.start()
        if "error" in greeting:
            print(f"skipped {peer}: {greeting['error']}")
        else:
            processes[peer] = process
            versions[peer] = greeting.get("version", "")
    return processes, versions


def fresh(peer, interpreter, cache, request, *, timeout=120.0, **options):
    """Ask a process that has done nothing but import its library.

    ``options`` are those of :class:`PeerProcess`.
    """
    process = PeerProcess(peer, interpreter, cache, **options)
    try:
        return process.ask(request, timeout)
    finally:
        process.stop()
