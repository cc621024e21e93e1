"""Prometheus itself tries the alerts: none on an ordinary day, and for each thing that goes wrong the right ones.

Series have a value a minute, written as promtool knows them: "0+60x90" begins at 0 and gains 60 in each of 90 minutes.
"""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = yaml.safe_load((ROOT / "k8s" / "dashboards" / "alerts.yaml").read_text())["spec"]
NAMES = {rule["alert"] for group in RULES["groups"] for rule in group["rules"]}

DAY = {
    'ray_atelier_requests_total{call="recommend", outcome="ok", status="200"}': "0+600x1800",
    'ray_atelier_requests_total{call="design", outcome="ok", status="200"}': "0+60x1800",
    'ray_atelier_requests_total{call="score", outcome="unknown-shopper", status="404"}': "0+60x1800",
    'ray_atelier_requests_total{call="design", outcome="internal", status="500"}': "0+1x1800",
    'ray_atelier_requests_total{call="design", outcome="deadline-exceeded", status="504"}': "0+1x1800",
    'ray_atelier_refused_total{call="design", limit="queue"}': "0+5x1800",
    'ray_atelier_refused_total{call="score", limit="rate"}': "0+200x1800",
    'ray_atelier_request_seconds_bucket{call="recommend", le="0.05"}': "0+590x1800",
    'ray_atelier_request_seconds_bucket{call="recommend", le="1"}': "0+600x1800",
    'ray_atelier_request_seconds_bucket{call="recommend", le="+Inf"}': "0+600x1800",
    'ray_atelier_request_seconds_bucket{call="design", le="5"}': "0+59x1800",
    'ray_atelier_request_seconds_bucket{call="design", le="30"}': "0+60x1800",
    'ray_atelier_request_seconds_bucket{call="design", le="+Inf"}': "0+60x1800",
    'ray_atelier_permits{replica="gateway"}': "64x1800",
    'ray_atelier_release_info{deployment="Designer", replica="designer", release="r1"}': "1x1800",
    'ray_atelier_release_info{deployment="Recommender", replica="recommender", release="r1"}': "1x1800",
    'ray_atelier_releases_turned_total{deployment="Designer", outcome="loaded"}': "_x100 1x1700",
    'ray_atelier_releases_turned_total{deployment="Recommender", outcome="refused"}': "1x1800",  # long ago
    'ray_atelier_best_score_sum{call="recommend"}': "0-300x1800",
    'ray_atelier_best_score_count{call="recommend"}': "0+600x1800",
    'ray_atelier_engine_endings_total{ending="finished"}': "0+60x1800",
    'ray_atelier_engine_endings_total{ending="cancelled"}': "0+5x1800",
    'ray_serve_deployment_replica_healthy{application="atelier", deployment="Designer", replica="designer"}': "1x1800",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What goes wrong: series beside the day's or in their place, and the alerts that fire after so many minutes."""

    name: str
    series: dict[str, str] = field(default_factory=dict)
    minutes: int = 119
    fires: frozenset[str]


FITTING = 'deployment="FittingRoom", replica="fitting"'
FAULTS = [
    Fault(name="nothing", minutes=1799, fires=frozenset()),
    Fault(
        name="a share of requests fails",
        series={'ray_atelier_requests_total{call="try_on", outcome="internal", status="500"}': "0x60 0+30x60"},
        fires=frozenset({"AtelierErrors"}),
    ),
    Fault(
        name="requests have failed for four minutes",
        series={'ray_atelier_requests_total{call="try_on", outcome="internal", status="500"}': "0x115 0+30x60"},
        fires=frozenset(),
    ),
    Fault(
        name="reads are slow",
        series={
            'ray_atelier_request_seconds_bucket{call="item", le="0.5"}': "0+10x120",
            'ray_atelier_request_seconds_bucket{call="item", le="1"}': "0+100x120",
            'ray_atelier_request_seconds_bucket{call="item", le="+Inf"}': "0+100x120",
        },
        fires=frozenset({"AtelierSlow"}),
    ),
    Fault(
        name="alterations are slow",
        series={
            'ray_atelier_request_seconds_bucket{call="alter", le="5"}': "0+10x120",
            'ray_atelier_request_seconds_bucket{call="alter", le="30"}': "0+100x120",
            'ray_atelier_request_seconds_bucket{call="alter", le="+Inf"}': "0+100x120",
        },
        fires=frozenset({"AtelierSlow"}),
    ),
    Fault(
        name="deadlines are missed",
        series={'ray_atelier_requests_total{call="alter", outcome="deadline-exceeded", status="504"}': "0+30x120"},
        fires=frozenset({"AtelierDeadlines", "AtelierErrors"}),
    ),
    Fault(
        name="no room",
        series={'ray_atelier_refused_total{call="alter", limit="permits"}': "0+90x120"},
        fires=frozenset({"AtelierQueueFull"}),
    ),
    Fault(
        name="no gateway",
        series={'ray_atelier_permits{replica="gateway"}': "64x60 stale"},
        fires=frozenset({"AtelierGatewayMissing"}),
    ),
    Fault(
        name="a replica without a release",
        series={f'ray_atelier_release_info{{{FITTING}, release="none"}}': "0x60 1x60"},
        fires=frozenset({"AtelierNoRelease", "AtelierReleasesDiffer"}),
    ),
    Fault(
        name="two releases",
        series={f'ray_atelier_release_info{{{FITTING}, release="r2"}}': "1x120"},
        fires=frozenset({"AtelierReleasesDiffer"}),
    ),
    Fault(
        name="a first release is refused",
        series={f'ray_atelier_releases_turned_total{{{FITTING}, outcome="refused"}}': "_x110 1x10"},
        fires=frozenset({"AtelierReleaseRefused"}),
    ),
    Fault(
        name="another release is refused",
        series={f'ray_atelier_releases_turned_total{{{FITTING}, outcome="refused"}}': "1x110 2x10"},
        fires=frozenset({"AtelierReleaseRefused"}),
    ),
    Fault(
        name="scores drift",
        series={
            'ray_atelier_best_score_sum{call="design"}': "0+60x1500 90300+240x300",
            'ray_atelier_best_score_count{call="design"}': "0+60x1800",
        },
        minutes=1750,
        fires=frozenset({"AtelierScoresDrift"}),
    ),
    Fault(
        name="a replica says that it is not well",
        series={f'ray_serve_deployment_replica_healthy{{application="atelier", {FITTING}}}': "1x60 0x60"},
        fires=frozenset({"AtelierReplicaUnhealthy"}),
    ),
    Fault(
        name="a replica fails its checks",
        series={f'ray_serve_health_check_failures_total{{application="atelier", {FITTING}}}': "0x110 1+1x10"},
        fires=frozenset({"AtelierReplicaUnhealthy"}),
    ),
    Fault(
        name="ascents fail",
        series={'ray_atelier_engine_endings_total{ending="failed"}': "0+1x120"},
        fires=frozenset({"AtelierAscentsFail"}),
    ),
    Fault(
        name="the bucket is away",
        series={'ray_atelier_store_errors_total{deployment="Recommender", reason="unavailable"}': "0+1x120"},
        fires=frozenset({"AtelierStoreFailing"}),
    ),
]


def test_every_alert_has_a_fault_that_it_is_for() -> None:
    assert set().union(*(fault.fires for fault in FAULTS)) == NAMES


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, which comes with Prometheus, is not installed")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_goes_wrong_fires_its_alerts_and_no_others(fault: Fault, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULES))
    fired = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(fault.fires)]
    question = 'group by (alertname) (ALERTS{alertstate="firing"})'
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in (DAY | fault.series).items()],
        "promql_expr_test": [{"expr": question, "eval_time": f"{fault.minutes}m", "exp_samples": fired}],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
    found = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert found.returncode == 0, found.stdout + found.stderr
