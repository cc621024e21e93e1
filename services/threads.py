"""The threads of a replica: one for its networks, and a few for pictures and the store, which step aside for that one.

A pass is what several requests wait for, and a picture what one does: where there are fewer processors than threads,
pictures would hold up passes.
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

PICTURE_THREADS = 4
ASIDE = 10  # how much nicer than the process: a tenth of the turns, or less where 19 is the end
NICEST = 19


def network_thread() -> ThreadPoolExecutor:
    """Where passes are computed, one after another."""
    return ThreadPoolExecutor(1, thread_name_prefix="networks")


def picture_threads() -> ThreadPoolExecutor:
    """Where pictures are decoded, made ready and encoded, and the store is asked."""
    return ThreadPoolExecutor(PICTURE_THREADS, thread_name_prefix="pictures", initializer=_step_aside)


def _step_aside() -> None:
    """Nicer than before, never less nice, which only root may be: Ray's workers may be as nice as 15 (its default).

    Linux knows the niceness of each thread; elsewhere it is a process's.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(NICEST, os.getpriority(os.PRIO_PROCESS, thread) + ASIDE))
