"""The trainings in the manifests are commands that exist, and the schedule starts the pattern that is there."""

import re
import shlex

import pytest
import yaml

import atelier
from cluster.retraining import PATTERN_LABEL, copied
from tests.k8s.conftest import OVERLAYS
from tests.k8s.pods import Manifest
from tests.k8s.rendering import render
from tests.k8s.test_manifests import named, of_kind
from tests.k8s.validity import problems
from training import arguments, recipe

NETWORKS = {"dvbpr", "cgan", "cagan"}
VARIABLE = re.compile(r"\$\{?([A-Z_]+)\}?")


def commands(job: Manifest) -> list[list[str]]:
    """The words of every command of a RayJob, with the variables that it sets itself."""
    shell, options, script = shlex.split(job["spec"]["entrypoint"])
    assert shell == "bash" and {*"eu"} <= {*options}  # a command that fails ends the job, as does a missing variable
    known = dict(yaml.safe_load(job["spec"].get("runtimeEnvYAML", "env_vars: {}"))["env_vars"])
    known["ATELIER_BUCKET_URL"] = "s3://bucket"
    found = []
    for line in filter(None, map(str.strip, script.split(";"))):
        words = shlex.split(VARIABLE.sub(lambda match: known[match[1]], line))
        name, equals, value = words[0].partition("=")
        if equals:
            known[name] = value
        else:
            found.append(words)
    return found


@pytest.fixture
def job(manifests: list[Manifest]) -> Manifest:
    (found,) = of_kind(manifests, "RayJob")
    return found


def test_every_network_is_trained_into_a_run_that_is_published(job: Manifest) -> None:
    runs = {}
    for words in commands(job):
        if words[:2] == ["python", "-m"]:
            name = words[2].removeprefix("training.")
            order, dry = arguments.read(recipe.find(name), words[3:])
            assert not dry
            runs[name] = order.run
    assert NETWORKS <= set(runs)
    publish = commands(job)[-1]
    assert publish[:2] == ["atelier", "publish"]
    assert {name: publish[publish.index(f"--{name}") + 1] for name in runs} == runs


def test_atelier_knows_what_it_is_asked(job: Manifest, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [words for words in commands(job) if words[0] == "atelier"]
    assert asked
    for words in asked:
        assert atelier.run([words[1], "--help"]) == 0
        known = capsys.readouterr().out
        assert [word for word in words if word.startswith("--") and word not in known] == []


def test_jobs_are_submitted_by_the_operator_and_leave_nothing(job: Manifest) -> None:
    assert job["spec"]["submissionMode"] == "HTTPMode" and "submitterPodTemplate" not in job["spec"]
    assert job["spec"]["shutdownAfterJobFinishes"] is True and job["spec"]["backoffLimit"] >= 1


def test_the_schedule_starts_the_pattern() -> None:
    manifests = render(OVERLAYS / "production")
    (container,) = named(manifests, "CronJob", "atelier-retraining")["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ]
    *command, pattern = container["command"]
    assert command == ["python", "-m", "cluster.retraining"]
    copy = copied(named(manifests, "RayJob", pattern), f"{pattern}-20260101-000000")
    assert problems(copy) == [] and "RUN" not in copy["spec"]["entrypoint"]
    assert len(copy["metadata"]["name"]) <= 47  # KubeRay's limit
    assert copy["metadata"]["labels"][PATTERN_LABEL] == pattern
