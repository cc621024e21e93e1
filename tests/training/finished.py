"""Finished runs in the bucket, as the job leaves them, of steps that have learnt nothing."""

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn.configs import named, override
from fashion_nn.state_files import save_state
from training import checkpoints, recipe, runs
from training.arguments import Order
from training.recipe import NETWORKS, Source, Step

RUNS = {network: f"{network}-1" for network in NETWORKS}


def fields_of(network: str) -> list[str]:
    """What an order of this network has to say beyond its named config."""
    return [f"generator={RUNS['cgan']}"] if network == "encoder" else []


def source_of(data: Path, settings: Settings) -> Source:
    """A data set of this machine."""
    store = open_store(settings.bucket_url, settings)
    return Source(path=data, cache=settings.cache / "pictures", store=store)


def finish(network: str, data: Path, settings: Settings, *fields: str) -> Step:
    """The step of a run that is finished in the bucket; what it builds upon must be so already."""
    which, source = recipe.find(network), source_of(data, settings)
    config = override(named(which.configs, "debug"), [*fields_of(network), *fields])
    found = which.open(source, config)
    step = which.build(config, found, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        save_state(Path(folder), {"step": step.state(), "done": config.steps, "history": []})
        checkpoints.upload(source.store, RUNS[network], runs.checkpoint_name(config.steps), Path(folder))
    order = Order(network=network, config_name="debug", config=config, data=data.as_uri(), run=RUNS[network])
    record = runs.begin(order, which.summary(found), None)
    prefix = runs.key(RUNS[network], runs.checkpoint_name(config.steps))
    record = replace(record, state="finished", step=config.steps, checkpoint=prefix, metrics={"m": 0.5})
    runs.write(source.store, record)
    return step
