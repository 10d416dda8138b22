"""Connecting to a dask scheduler, or starting one here, and whether its versions are ours. dask is imported late."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing.resource_tracker
import signal
from collections.abc import Iterable, Iterator

from utils import STOP_SIGNALS, UserError, keep_stderr_to_us, usable_cores

LOCAL = "local"
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 1.0
LOCAL_DEATHS = 3  # of workers, after which a batch is given up; elsewhere the scheduler's configuration says it
AGAIN = "and run the same command again"
SAME_EVERYWHERE = f"install the same requirements on all machines, {AGAIN}"


@contextlib.contextmanager
def connected(scheduler: str, jobs: int | None) -> Iterator:
    """Connect to a scheduler, or start one with workers on this machine. Yields dask's client."""
    if scheduler != LOCAL and jobs is not None:
        raise UserError("--jobs is for workers of this machine: a scheduler has as many as have joined it")
    try:
        import distributed
    except ImportError:
        raise UserError("--scheduler needs dask: pip install -r requirements-cluster.txt") from None
    with contextlib.ExitStack() as stack:
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.CRITICAL)  # dask tells by tracebacks what we tell in a line
        if scheduler != LOCAL:
            _require_scheduler(scheduler)
        try:
            where = _local_cluster(jobs or usable_cores(), stack) if scheduler == LOCAL else scheduler
            client = distributed.Client(where, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(f"--scheduler {scheduler}: dask cannot start: {error}; mend that, {AGAIN}") from None
        stack.callback(_close, client)
        yield client


def _local_cluster(workers: int, stack: contextlib.ExitStack):
    """Start a scheduler in this process, and worker processes, which end with it; `stack` ends them too."""
    import dask.config
    from distributed import LocalCluster

    keep_stderr_to_us()
    # Python's tracker of resources unblocks them when it starts, and workers are not to answer signals
    multiprocessing.resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    with dask.config.set({"distributed.scheduler.allowed-failures": LOCAL_DEATHS - 1}):
        how = {"n_workers": workers, "threads_per_worker": 1, "memory_limit": 0}
        cluster = LocalCluster(**how, dashboard_address="127.0.0.1:0")
    stack.callback(_close, cluster)
    return cluster


def _close(what) -> None:
    with contextlib.suppress(Exception):  # a scheduler that is gone cannot be taken leave of
        what.close(timeout=CLOSE_SECONDS)


def _require_scheduler(address: str) -> None:
    """Raise UserError where no scheduler answers, or one of another version than ours.

    Asked before there is a client of dask: that one breaks at other versions, and takes half a minute to end.
    """
    from distributed.core import rpc
    from distributed.security import Security

    async def versions() -> dict:
        how = Security().get_connection_args("client")
        async with rpc(address, timeout=CONNECT_SECONDS, connection_args=how) as scheduler:
            return await asyncio.wait_for(scheduler.versions(), 2 * CONNECT_SECONDS)

    try:
        told = asyncio.run(versions())
    except (OSError, TimeoutError):
        what = f"none answers within {CONNECT_SECONDS:.0f} s; start one (dask scheduler), or mend the address"
        raise UserError(f"--scheduler {address}: {what}") from None
    except Exception as error:  # whatever an address that is none leads to
        raise UserError(f"--scheduler {address}: {error}; name it as tcp://host:8786") from None
    require_versions(address, "the scheduler", told, ("dask", "distributed"))


def require_versions(scheduler: str, whose: str, told: dict, packages: Iterable[str]) -> None:
    """Raise UserError where what somebody told of its versions is not what we have."""
    from distributed.versions import get_versions

    theirs, ours = told["packages"], get_versions(packages)["packages"]
    for name in ("python", *packages):
        digits = 2 if name == "python" else None  # 3.11.4 and 3.11.7 understand each other
        their, our = (".".join(str(versions.get(name)).split(".")[:digits]) for versions in (theirs, ours))
        if their != our:
            what = f"{whose} has {name} {their}, and here it is {our}"
            raise UserError(f"{scheduler}: {what}; {SAME_EVERYWHERE}")
