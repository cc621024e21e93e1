"""A Prometheus configured as the page says scrapes the running application and answers what the dashboard asks."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from cluster.ports import free_port
from tests.services.conftest import Served
from tests.services.test_metrics import ALERTS, PAGE, PANELS, RULES
from tests.services.test_served_watching import dressed

WAIT_S = 300.0
WINDOW = {"$__rate_interval": "5m", "$call": ".*"}  # what Grafana puts in their place
RARE = ("retries", "store_errors", "refused", "looks", 'outcome!="ok"', 'status=~"5.."')

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")


@pytest.fixture(scope="module")
def prometheus(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Prometheus with the page's scraping and the alerts, asking often."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (config,) = re.findall(r"^```yaml\n(scrape_configs:.*?)^```", PAGE, re.M | re.S)
    config = yaml.safe_load(config) | {"rule_files": ["rules.yaml"], "global": {"evaluation_interval": "1s"}}
    (job,) = config["scrape_configs"]
    job["scrape_interval"] = "5s"  # it waits no longer for an answer, which a busy machine takes seconds for
    job["static_configs"] = [{"targets": [f"127.0.0.1:{served.settings.metrics_port}"]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (folder / "rules.yaml").write_text(yaml.safe_dump(RULES["spec"]))
    options = ["--config.file=prometheus.yaml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *options], cwd=folder, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0) as client:
            yield client
    finally:
        process.terminate()
        process.wait(30)


def answered(prometheus: httpx.Client, path: str, **asked: str) -> Any:
    """The data of an answer, once Prometheus is up."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            answer = prometheus.get(f"/api/v1/{path}", params=asked)
            break
        except httpx.TransportError:
            assert time.monotonic() < end, "Prometheus does not answer"
            time.sleep(0.2)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def asked_by(panel: dict[str, Any]) -> list[str]:
    """Its queries, as Grafana sends them."""
    queries = [target["expr"] for target in panel["targets"]]
    for name, value in WINDOW.items():
        queries = [query.replace(name, value) for query in queries]
    return queries


def rare(query: str) -> bool:
    """Whether nothing of the kind need have happened to a service that is well."""
    return any(words in query for words in RARE)


def test_the_dashboard_is_answered(served: Served, prometheus: httpx.Client) -> None:
    shopper = {"user_id": "shopper-0"}
    design = {"shopper": shopper, "source": "design", "category": "men-tops", "k": 1, "restarts": 1, "steps": 2}
    waiting = {query for panel in PANELS for query in asked_by(panel)}
    end = time.monotonic() + WAIT_S
    while not all(rare(query) for query in waiting):
        assert time.monotonic() < end, (waiting, answered(prometheus, "targets"))
        assert served.http.post("/v1/recommend", json={"shopper": shopper}).status_code == 200
        assert served.http.post("/v1/fitting", json=dressed(**design)).status_code == 200
        waiting = {query for query in waiting if not answered(prometheus, "query", query=query)["result"]}
    (target,) = answered(prometheus, "targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


def test_the_alerts_are_loaded_and_ask_what_can_be_answered(prometheus: httpx.Client) -> None:
    end = time.monotonic() + WAIT_S
    while True:
        rules = [rule for group in answered(prometheus, "rules")["groups"] for rule in group["rules"]]
        if all(rule["health"] == "ok" for rule in rules):
            break
        assert time.monotonic() < end, rules
        time.sleep(0.5)
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in ALERTS}
