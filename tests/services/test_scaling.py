"""How many replicas there are: what the settings say, what rows ask for, and what becomes of it on a cluster."""

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError
from ray.serve.config import AutoscalingConfig

from cluster.settings import Settings
from services.application import OPTIONS
from services.errors import DeadlineExceeded, Overloaded
from services.messages import AlterRequest, Shopper
from services.scaling import by_rows, replicas
from tests.services.conftest import Served
from tests.services.test_served_life import KNOWN, LONG, handle, until


def needed(
    *, waiting: float = 0, running: float = 0, slots: float = 64, requests: float = 1, replicas: int = 2
) -> float:
    """What the policy makes of replicas that share so many rows."""
    told = {"waiting_rows": waiting, "running_rows": running, "slots": slots * replicas}
    metrics = {name: {at: value / replicas for at in range(replicas)} for name, value in told.items()}
    wanted, _ = by_rows(SimpleNamespace(aggregated_metrics=metrics, total_num_requests=requests))
    return wanted


def test_rows_ask_for_designers() -> None:
    assert needed(running=48) == 1
    assert needed(running=128, waiting=64) == 4
    assert needed(running=10) == 1 == needed(running=0)
    assert needed(running=0, requests=0) == 0
    assert needed(running=1, requests=0) == 0  # a health check's


def test_before_a_designer_has_told_anything_one_request_is_enough_for_one() -> None:
    for requests, wanted in ((0, 0), (5, 1)):
        assert by_rows(SimpleNamespace(aggregated_metrics=None, total_num_requests=requests))[0] == wanted


@pytest.mark.parametrize(("told", "least", "most"), [("1", 1, 1), ("3", 3, 3), ("1-4", 1, 4), ("0-2", 0, 2)])
def test_the_settings_say_how_many(told: str, least: int, most: int) -> None:
    settings = Settings(designer_replicas=told)
    assert settings.replicas("Designer") == (least, most)
    options = replicas("Designer", settings)
    if least == most:
        assert options == {"num_replicas": most}
    else:
        config = AutoscalingConfig(**options["autoscaling_config"])
        assert (config.min_replicas, config.max_replicas) == (least, most)
        assert config.policy.policy_function == f"{by_rows.__module__}:{by_rows.__name__}"


@pytest.mark.parametrize("told", ["0", "4-1", "-1", "1-", "many", "0-0"])
def test_other_numbers_are_refused(told: str) -> None:
    with pytest.raises(ValidationError, match="designer_replicas"):
        Settings(designer_replicas=told)


def test_the_gateway_never_rests() -> None:
    with pytest.raises(ValidationError, match="gateway_replicas"):
        Settings(gateway_replicas="0-2")


def test_designers_come_with_rows_and_go_with_them(served: Served) -> None:
    """From none to two and back to none."""
    from ray import serve

    from services.designer import Designer

    settings = served.settings.with_updates(designer_replicas="0-2", scale_up_delay_s=0.5, scale_down_delay_s=1.0)
    options = {**OPTIONS["Designer"], **replicas("Designer", settings), "user_config": {"release": None}}
    request = AlterRequest(**{**LONG, "shopper": Shopper(**KNOWN), "restarts": 32})
    taste = handle("Recommender").taste.remote(request.shopper).result(timeout_s=300)
    item = handle("Recommender").item.remote("item-00").result(timeout_s=300)

    def running() -> int:
        return serve.status().applications["scaling"].deployments["Designer"].replica_states.get("RUNNING", 0)

    designer = serve.run(Designer.options(**options).bind(), name="scaling", route_prefix=None)
    try:
        until(lambda: running() == 0)  # nobody asks
        under_way: list[Any] = []

        def two_run() -> bool:
            """While three ask, again whenever they are answered: on a busy machine a second one takes its time."""
            under_way[:] = [each for each in under_way if not answered(each)]
            under_way.extend(designer.alter.remote(request, taste, item) for _ in range(3 - len(under_way)))
            return running() == 2

        until(two_run)
        for each in under_way:
            each.cancel()
        until(lambda: running() == 0)
        short = designer.alter.remote(request.model_copy(update={"stages": 1, "steps": 1, "restarts": 1}), taste, item)
        assert len(short.result(timeout_s=300).stages) == 1
    finally:
        serve.delete("scaling")


def answered(response: Any) -> bool:
    """Whether there is an answer yet, be it that a slow machine had no time for it."""
    try:
        response.result(timeout_s=0)
    except TimeoutError:
        return False
    except (Overloaded, DeadlineExceeded):
        pass
    return True
