"""SIGTERM, with which clusters take their machines back, as a question that the loop asks between two steps."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax
from jax.experimental import multihost_utils


class Preempted(Exception):
    """A run was told to stop, and has kept its state."""


@contextmanager
def watch_for_sigterm() -> Iterator[Callable[[int], bool]]:
    """A function that says, given the step, whether to stop behind it.

    Of several hosts it says so to all behind the same step, whichever of them was told. Outside of the main thread
    signals cannot be watched for: there it never does.

    >>> with watch_for_sigterm() as told_to_stop:
    ...     told_to_stop(1)
    False
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield lambda step: False
        return
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        yield lambda step: told.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)
