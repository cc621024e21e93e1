"""The operations page is true: its figures are those that were measured, its commands and files exist, and it knows
every alert."""

import json
import re
from pathlib import Path

import pytest
import yaml

import atelier

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/operations.md").read_text()
ALERTS = ROOT / "k8s/dashboards/alerts.yaml"


def kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def test_every_alert_is_told_and_no_other() -> None:
    groups = yaml.safe_load(ALERTS.read_text())["spec"]["groups"]
    named = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    assert re.findall(r"^### Alert: (\w+)$", PAGE, re.M) and named
    assert set(re.findall(r"^### Alert: (\w+)$", PAGE, re.M)) == set(named)
    for name, rule in named.items():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#alert-{kebab(name)}"


def test_links_lead_somewhere() -> None:
    anchors = set(re.findall(r'<a id="([^"]+)">', PAGE))
    anchors |= {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", PAGE, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, anchor = target.partition("#")
        assert not anchor or anchor in anchors, target
        assert not file or (ROOT / "docs" / file).exists(), target


def test_figures_are_those_that_were_measured() -> None:
    rows = re.findall(r"^\| [^|]+ \| ([\d.]+) [^|]*\| `([\w/]+)` of `([\w-]+\.json)` \|$", PAGE, re.M)
    assert len(rows) >= 5
    for told, name, file in rows:
        measured = json.loads((ROOT / "docs/benchmarks" / file).read_text())["rows"]
        (value,) = [row["value"] for row in measured if row["name"] == name]
        assert float(told) == pytest.approx(value, rel=0.01), name


def test_commands_and_files_exist(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.findall(r"`([^`\n]+)`", PAGE) + re.findall(r"^ {4,}(\S.*)$", PAGE, re.M)
    asked = {found for line in code for found in re.findall(r"(?:^|-- |&& |nohup )atelier ([a-z]+)", line)}
    assert {"up", "keys", "promote", "publish", "releases"} <= asked
    for name in asked:
        assert atelier.run([name, "--help"]) == 0
    capsys.readouterr()
    paths = {found for line in code for found in re.findall(r"\b(?:k8s|cluster|tests|docs)/[\w./-]+", line)}
    assert len(paths) >= 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_objects_of_kubernetes_exist() -> None:
    manifests = [each for path in (ROOT / "k8s").rglob("*.yaml") for each in documents(path)]
    names = {each["metadata"]["name"] for each in manifests if "metadata" in each}
    made_by_kuberay = {"atelier-head-svc", "atelier-serve-svc"}
    secrets = {"atelier-s3", "atelier-redis"}
    told = set(re.findall(r"`(atelier-[a-z0-9-]+)`", PAGE)) | set(re.findall(r"(?:svc|cronjob)/(atelier[a-z-]*)", PAGE))
    assert told - names - made_by_kuberay - secrets == set() and len(told) >= 5


def documents(path: Path) -> list[dict]:
    return [each for each in yaml.safe_load_all(path.read_text()) if isinstance(each, dict)]
