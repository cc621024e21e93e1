"""The threads of a replica: one for its networks, and a few for pictures and the store, which step aside for that one.

A pass is what several requests wait for, and a picture what one does: where there are fewer processors than threads,
half as many passes would be done otherwise.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

PICTURE_THREADS = 4
ASIDE = 10  # niceness: a tenth of the turns of a thread with 0


def network_thread() -> ThreadPoolExecutor:
    """Where passes are computed, one after another."""
    return ThreadPoolExecutor(1, thread_name_prefix="networks")


def picture_threads() -> ThreadPoolExecutor:
    """Where pictures are decoded, made ready and encoded, and the store is asked."""
    return ThreadPoolExecutor(PICTURE_THREADS, thread_name_prefix="pictures", initializer=_step_aside)


def _step_aside() -> None:
    """Linux knows the niceness of each thread; elsewhere it is a process's."""
    if hasattr(os, "sched_getaffinity"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), ASIDE)
