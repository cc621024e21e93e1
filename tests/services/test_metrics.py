"""The list of metrics keeps to Prometheus's conventions, and page, dashboard and alerts keep to the list."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml

from services.metrics import ADDED, METRICS, PREFIX, SCORES, Metric

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "watching.md").read_text()
DASHBOARD = json.loads((ROOT / "k8s" / "dashboards" / "atelier.json").read_text())
RULES = yaml.safe_load((ROOT / "k8s" / "dashboards" / "alerts.yaml").read_text())
ALERTS = [rule for group in RULES["spec"]["groups"] for rule in group["rules"]]
SERIES = {name: metric for metric in METRICS for name in metric.series}

NAME = re.compile(r"\bray_\w+")
SELECTOR = re.compile(r"\b(ray_\w+)\{([^}]*)\}")
GROUPED = re.compile(r"\b(?:by|group_left|ignoring|on)\s*\(([^)]*)\)")


def panels() -> Iterator[dict[str, Any]]:
    for panel in DASHBOARD["panels"]:
        yield panel
        yield from panel.get("panels", ())


PANELS = [panel for panel in panels() if panel["type"] != "row"]
EXPRESSIONS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
EXPRESSIONS += [(rule["alert"], rule["expr"]) for rule in ALERTS]
CHOICES = [
    (each["name"], re.search(r"label_values\((.*)\)", each["definition"])[1])
    for each in DASHBOARD["templating"]["list"]
    if each["type"] == "query"
]


def labels_of(series: str) -> set[str]:
    """Those that a series of ours may be selected and grouped by."""
    return {*SERIES[series].labels, *ADDED, *(["le"] if series.endswith("_bucket") else [])}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"atelier_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(r"_(ms|milliseconds|minutes|kb|mb)\b", metric.name), "base units"
    assert metric.help and not set(metric.labels) & {*ADDED, "le", "job", "instance"}
    assert bool(metric.bounds) == (metric.kind == "histogram")
    assert list(metric.bounds) == sorted(set(metric.bounds))


def test_every_name_is_told_once() -> None:
    assert len(SERIES) == sum(len(metric.series) for metric in METRICS)


def test_scores_below_zero_are_told_apart() -> None:
    assert min(SCORES) < 0 < max(SCORES)


def test_the_page_tells_every_metric_as_it_is() -> None:
    told = re.findall(r"^\| `(ray_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", PAGE, re.M)
    real = [
        (PREFIX + each.name, each.kind, ", ".join(f"`{label}`" for label in each.labels), each.help.replace("|", "/"))
        for each in METRICS
    ]
    assert told == real


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_panels_and_alerts_name_what_there_is(title: str, expression: str) -> None:
    names = NAME.findall(expression)
    assert names
    for name in names:
        assert name in SERIES or name.startswith("ray_serve_"), name
    for name, selector in SELECTOR.findall(expression):
        if name in SERIES:
            assert set(re.findall(r"(\w+)\s*(?:=|!)", selector)) <= labels_of(name), name
    ours = [labels_of(name) for name in names if name in SERIES]
    for grouped in GROUPED.findall(expression):
        assert not ours or set(re.split(r"\W+", grouped.strip())) <= set.union(*ours)


@pytest.mark.parametrize(("name", "choice"), CHOICES)
def test_choices_are_of_labels_that_there_are(name: str, choice: str) -> None:
    series, _, label = choice.partition(",")
    assert label.strip() in labels_of(series)


def test_every_metric_is_seen_on_the_dashboard() -> None:
    seen = {name for panel in PANELS for target in panel["targets"] for name in NAME.findall(target["expr"])}
    assert [metric.name for metric in METRICS if not seen & set(metric.series)] == []


def test_what_else_is_named_is_told_by_ray_serve() -> None:
    source = "".join(path.read_text() for path in (Path(ray.__file__).parent / "serve").rglob("*.py"))
    named = {name for _, expression in EXPRESSIONS for name in NAME.findall(expression) if name not in SERIES}
    assert named
    assert [name for name in named if f'"{name.removeprefix(PREFIX)}"' not in source] == []


def test_panels_stand_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    kebab = re.sub(r"(?<!^)(?=[A-Z])", "-", rule["alert"]).lower()
    assert rule["annotations"]["runbook"] == f"docs/operations.md#alert-{kebab}"
    assert rule["annotations"]["summary"]


def test_no_average_is_taken_of_what_may_fall() -> None:
    """`rate` takes a sum that falls for a counter that began anew."""
    assert [title for title, each in EXPRESSIONS if re.search(r"rate\(ray_atelier_best_score_sum", each)] == []
