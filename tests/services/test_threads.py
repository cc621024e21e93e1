"""Pictures step aside for networks."""

import os
import threading

from services.threads import ASIDE, network_thread, picture_threads


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_threads_for_pictures_give_way_to_the_one_for_networks() -> None:
    with network_thread() as networks, picture_threads() as pictures:
        ours = niceness()
        assert networks.submit(niceness).result() == ours
        assert pictures.submit(niceness).result() == min(19, max(ours, ASIDE))
        assert niceness() == ours
