"""Pictures step aside for networks."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.threads import ASIDE, NICEST, network_thread, picture_threads


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def of_both() -> tuple[int, int]:
    with network_thread() as networks, picture_threads() as pictures:
        return networks.submit(niceness).result(), pictures.submit(niceness).result()


@pytest.mark.parametrize("more", [0, NICEST - 4, NICEST])
def test_threads_for_pictures_give_way_to_the_one_for_networks(more: int) -> None:
    """In a process of any niceness, as Ray's workers have one: a thread inherits that of the one that begins it."""

    def be_nice() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(NICEST, niceness() + more))

    before = niceness()
    with ThreadPoolExecutor(1, initializer=be_nice) as replica:
        ours = replica.submit(niceness).result()
        assert replica.submit(of_both).result() == (ours, min(NICEST, ours + ASIDE))
    assert niceness() == before
