"""The command line of Atelier: each command calls into a package below. What goes wrong is said in one line."""

import asyncio
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

if TYPE_CHECKING:
    from cluster.keys import KeyStore
    from cluster.releases import ReleaseStore
    from cluster.settings import Settings

INTERRUPTED = 130  # what typer makes of a KeyboardInterrupt
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
keys = typer.Typer(no_args_is_help=True, help="Who may call: keys and what they open.")


@app.callback()
def atelier() -> None:
    """Personal fashion from pictures: recommend, design and try on. Settings are variables: ATELIER_*."""


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="end by itself instead of staying up")] = False,
    train: Annotated[bool, typer.Option("--train", help="train the networks here, not those that come along")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="draw and train anew whatever is there")] = False,
    size: Annotated[str, typer.Option(help="demo; debug: all, trained in a minute; shipped: hours")] = "demo",
    output: Annotated[Path, typer.Option(help="folder for pictures, answers and page")] = Path("demo-output"),
) -> None:
    """From nothing to answers: draw a world, bring or train networks, publish, serve, ask, and show."""
    from rich.console import Console

    from cluster.settings import Settings
    from demo import sizes
    from demo.progress import Progress
    from demo.run import Options, demonstrate
    from demo.standing import interruptible
    from fashion_nn import configs

    options = Options(size=configs.named(sizes, size), output=output.absolute(), once=once, train=train, fresh=fresh)
    asked = Settings()
    settings = asked.with_updates(
        api_keys="off",  # its calls carry none: nobody but this machine is answered
        request_timeout_s=max(asked.request_timeout_s, 180.0),  # a busy machine shows everything as well, only later
    )
    with interruptible():
        demonstrate(options, settings, Progress(Console(highlight=False)))


@app.command()
def up() -> None:
    """Serve the current release, and each one promoted meanwhile, until interrupted."""
    from cluster.settings import Settings
    from demo.standing import check_port, interruptible, serving, standing, wait_to_be_interrupted

    check_port(settings := Settings())
    with interruptible(), standing(settings) as settings, serving(settings) as url:
        describe(settings, url)
        wait_to_be_interrupted()
        say("stopping")


@app.command()
def world(
    folder: Annotated[Path, typer.Argument(help="to be made")],
    config: Annotated[str, typer.Option(help="debug, demo or showcase")] = "demo",
    fields: Annotated[list[str] | None, typer.Argument(metavar="[field=value]...", help="changes to it")] = None,
) -> None:
    """Draw a catalogue, shoppers, and pairs of persons and garments."""
    from fashion_nn import configs
    from fashion_nn.world import config as worlds
    from fashion_nn.world.world import write_world

    chosen = configs.override(configs.named(worlds, config), fields or [])
    say(f"{write_world(folder, chosen)} holds the world")


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="a data set")],
    name: Annotated[str, typer.Argument(help="kept as datasets/NAME in the bucket")],
) -> None:
    """Put a data set into the bucket; what is there already stays."""
    from cluster.mirror import push_folder

    with bucket() as settings:
        url = f"{settings.bucket_url}/datasets/{name}"
        say(f"{push_folder(folder, url, settings)} files sent to {url}")


@app.command(context_settings=PASSED_ON)
def train(
    context: typer.Context, network: Annotated[str, typer.Argument(help="dvbpr, cgan, cagan or encoder")]
) -> None:
    """Train as a Ray job on the cluster that `atelier up` runs; options as of python -m training.NETWORK."""
    from training import arguments, recipe

    order, _ = arguments.read(recipe.find(network), context.args)  # refused here rather than in the job
    command = ["python", "-m", f"training.{network}", *context.args]
    if order.data not in command:  # a local path: the job starts elsewhere
        command += ["--data", order.data]
    reach_cluster()
    asyncio.run(follow(shlex.join(command)))


@app.command()
def publish(
    dvbpr: Annotated[str, typer.Option(metavar="RUN", help="the recommender's")],
    cgan: Annotated[str, typer.Option(metavar="RUN", help="the generator's")],
    cagan: Annotated[str, typer.Option(metavar="RUN", help="the fitting room's")],
    encoder: Annotated[str | None, typer.Option(metavar="RUN", help="the encoder's, where there is one")] = None,
    bank: Annotated[int, typer.Option(metavar="N", help="codes a category of the seed bank; 0: none")] = 4096,
    bank_tastes: Annotated[int, typer.Option(metavar="N", help="typical tastes for which it is climbed")] = 64,
    fits: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CATEGORY[=GROUP]",
            help="that the fitting room has learnt to put on, as which of its groups; once for each, or all",
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(help="who publishes; you")] = None,
    why: Annotated[str, typer.Option(help="kept in the history")] = "",
) -> None:
    """Make finished runs a release, and the one that serves."""
    from training import publish as publishing
    from training.progress import by_quarters

    listen = by_quarters(partial(print, file=sys.stderr, flush=True), publishing.BANKED)
    with bucket() as settings:
        release = publishing.publish(
            settings,
            dvbpr,
            cgan,
            cagan,
            encoder_run=encoder,
            bank=publishing.bank_of(bank, bank_tastes),
            fits=publishing.fits_of(fits or []),
            by=by,
            why=why,
            listen=listen,
        )
        say(release)


@app.command()
def releases() -> None:
    """The history of what served, the newest first."""
    with release_store() as store:
        history = store.history()
    for place, each in enumerate(reversed(history)):
        trial = f"  {each.candidate} on trial for {each.share:g} of the shoppers" if each.candidate else ""
        told = f"{each.release}{trial}  since {each.when}  by {each.by}  {each.why}"
        say(f"{'' if place else 'serves':<8}{told}".rstrip())
    if not history:
        say("nothing has been released yet")


@app.command()
def promote(
    release: Annotated[str, typer.Argument(help="its id")],
    share: Annotated[float | None, typer.Option(help="of the shoppers, who see it on trial beside the other")] = None,
    by: Annotated[str | None, typer.Option(help="who promotes; you")] = None,
    why: Annotated[str, typer.Option(help="kept in the history")] = "",
) -> None:
    """Check a release, by its hashes and by passes through its networks, and make it the one that serves.

    With --share it is on trial until the next promotion or rollback.
    """
    from services.promotion import check

    with bucket() as settings:
        check(settings, release)
        store = releases_of(settings)
        if share is None:
            record = store.promote(release, by=by, why=why)
            say(f"{record.release} serves since {record.when}")
        else:
            record = store.try_out(release, share, by=by, why=why)
            say(f"{record.candidate} is on trial for {record.share:g} of the shoppers since {record.when}")


@app.command()
def rollback(
    by: Annotated[str | None, typer.Option(help="who rolls back; you")] = None,
    why: Annotated[str, typer.Option(help="kept in the history")] = "",
) -> None:
    """End the trial that is on; or else have the release serve again that served before."""
    with release_store() as store:
        record = store.roll_back(by=by, why=why)
    say(f"{record.release} serves since {record.when}")


@keys.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="whose it is")],
    scope: Annotated[list[str], typer.Option(help="read, design, try-on, catalogue; may be given several times")],
    rate: Annotated[float, typer.Option(help="requests a second, over all gateways; 0: no limit")] = 0,
    burst: Annotated[int | None, typer.Option(help="requests at once; twice the rate")] = None,
    by: Annotated[str | None, typer.Option(help="who issues it; you")] = None,
) -> None:
    """Issue a key, which is told now and never again: only a hash of it is kept. It opens within a second."""
    with key_store() as store:
        key, text = store.issue(name, scope, rate=rate, burst=burst, by=by)
    print(f"{key.id} for {key.name}: {', '.join(key.scopes)}", file=sys.stderr, flush=True)
    say(text)


@keys.command("list")
def list_keys() -> None:
    """Every key that was issued, the newest first."""
    with key_store() as store:
        issued, revoked = store.ids()
        found = sorted((store.key(key_id) for key_id in issued), key=lambda key: key.when, reverse=True)
    for key in found:
        often = f"{key.rate:g}/s, {key.burst} at once" if key.rate else "as often as wanted"
        state = "revoked" if key.id in revoked else "opens"
        say(f"{state:<9}{key.id}  {key.name}  {','.join(key.scopes)}  {often}  since {key.when}  by {key.by}")
    if not found:
        say("no key has been issued yet")


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="its id, as `atelier keys list` tells it")],
    why: Annotated[str, typer.Option(help="kept with it")] = "",
    by: Annotated[str | None, typer.Option(help="who revokes; you")] = None,
) -> None:
    """Have a key open nothing any more, within seconds and on every gateway."""
    with key_store() as store:
        record = store.revoke(key, why=why, by=by)
    say(f"{record.id} opens nothing since {record.when}")


@contextmanager
def bucket() -> Iterator["Settings"]:
    """The settings, with a bucket that answers."""
    from cluster.local_s3 import bucket_at_hand
    from cluster.settings import Settings

    with bucket_at_hand(Settings()) as settings:
        yield settings


@contextmanager
def release_store() -> Iterator["ReleaseStore"]:
    """The releases of the bucket."""
    with bucket() as settings:
        yield releases_of(settings)


def releases_of(settings: "Settings") -> "ReleaseStore":
    """The releases of a bucket that answers."""
    from cluster.object_store import open_store
    from cluster.releases import ReleaseStore

    return ReleaseStore(open_store(settings.bucket_url, settings))


@contextmanager
def key_store() -> Iterator["KeyStore"]:
    """The keys of the bucket."""
    from cluster.keys import KeyStore
    from cluster.object_store import open_store

    with bucket() as settings:
        yield KeyStore(open_store(settings.bucket_url, settings))


def reach_cluster() -> None:
    """Have Ray's programs find the cluster that `atelier up` runs here, or the one that the environment names."""
    from cluster.ray_runtime import LocalRay, RayUnavailable
    from cluster.settings import Settings

    if "RAY_API_SERVER_ADDRESS" in os.environ:
        return
    reach = LocalRay(Settings()).find()
    if reach is None:
        raise RayUnavailable("no Ray runs here: `atelier up` starts one, RAY_API_SERVER_ADDRESS names another")
    os.environ.update(reach.environment)


async def follow(entrypoint: str) -> None:
    """Run a program as a Ray job and print its log until it ends; an interrupt stops the job."""
    from ray.job_submission import JobStatus, JobSubmissionClient

    logging.getLogger("ray").setLevel(logging.WARNING)
    client = JobSubmissionClient()
    job = client.submit_job(entrypoint=entrypoint)
    say(f"job {job}: {entrypoint}")
    try:
        async for lines in client.tail_job_logs(job):
            print(lines, end="", flush=True)
    except asyncio.CancelledError:
        client.stop_job(job)
        raise
    if (status := client.get_job_status(job)) != JobStatus.SUCCEEDED:
        raise TyperException(f"job {job} {status.lower()}; its log is above")


def describe(settings: "Settings", url: str) -> None:
    """Where everything answers, and how other programs get at it."""
    from cluster.ray_runtime import LocalRay, metrics_urls

    say(f"application  {url}  (described at {url}/docs)")
    if settings.grpc_port is not None:
        tls = f", over TLS at {settings.grpc_tls_port}" if settings.grpc_tls_port else ""
        say(f"gRPC         port {settings.grpc_port}{tls}  (reflection is on)")
    if settings.api_keys == "required":
        say("keys         callers show one: `atelier keys add NAME --scope read` issues it")
    for each in metrics_urls():
        say(f"metrics      {each}")
    say(f"bucket       {settings.bucket_url}  at {settings.s3_endpoint or 'its folder'}")
    reach = LocalRay(settings).find()
    if reach is not None:
        say(f"Ray          {reach.dashboard}; for `ray job submit` and `ray status` in another terminal:")
        say("  " + " ".join(["export", *(shlex.join([f"{k}={v}"]) for k, v in reach.environment.items())]))
    say("Ctrl-C ends it, and everything it started.")


def say(text: str) -> None:
    """A line of plain text."""
    print(text, flush=True)


def main() -> None:
    """Run the command line: exit code 0, or 1 and one line on stderr, or 130 where interrupted."""
    sys.exit(run(sys.argv[1:] or ["--help"]))


def whole() -> typer.Typer:
    """The commands with their groups, which are joined here since nothing is to happen where this is imported."""
    if not app.registered_groups:
        app.add_typer(keys, name="keys")
    return app


def run(arguments: list[str]) -> int:
    """Carry out one command line; the exit code. ATELIER_TRACEBACK=1 shows where an error came from."""
    try:
        code = whole()(arguments, prog_name="atelier", standalone_mode=False) or 0
        if code == INTERRUPTED:
            print("atelier: interrupted", file=sys.stderr)
        return code
    except Exception as error:
        if os.environ.get("ATELIER_TRACEBACK"):
            raise
        print(f"atelier: {explained(error)}", file=sys.stderr)
        return 1


def explained(error: Exception) -> str:
    """An error in one line; one that nobody foresaw with its type's name."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return "; ".join(f"ATELIER_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors())
    message = error.format_message() if isinstance(error, TyperException) else str(error)
    line = " ".join(message.split())
    own = type(error).__module__.partition(".")[0] in ("cluster", "demo", "training", "fashion_nn", "typer")
    foreseen = own or isinstance(error, OSError | ValueError)
    return line if foreseen and line else f"{type(error).__name__}: {line}"


if __name__ == "__main__":
    main()
