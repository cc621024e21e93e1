"""`python -m benchmarks.autoscaling`: how the Designers' number follows what is asked, as figures and as a picture.

Callers ask for designs of many rows: a few, then many, then none. Delays are short, so that it is over soon; the
trace is drawn into docs/benchmarks/autoscaling.png (or where --picture says). It serves the current release of the
bucket that the settings name, as the demonstration has left it.
"""

import asyncio
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.page import FOLDER
from benchmarks.serving.load import Http, Seen, closed
from benchmarks.serving.stage import QUIET, Stage, served

CROWD = ((1, 0.15), (12, 0.35), (0, 0.5))  # callers at once, and their share of the time
ROWS = 16
DESIGN = {
    "shopper": {"user_id": "u000000"},
    "category": "women-tops",
    "k": 1,
    "restarts": ROWS,
    "steps": 30,
    "starts": "blind",
}
MOST, SLOTS = 3, 32
SOON = {
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5",  # 10 by default
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5",
}
SCALING = {
    "designer_replicas": f"1-{MOST}",
    "designer_slots": SLOTS,
    "scale_up_delay_s": 2.0,
    "scale_down_delay_s": 10.0,
}


@dataclass(slots=True)
class Trace:
    """What was seen at each moment, and the answers."""

    at: list[float]
    rows: list[int]  # asked for, and not answered yet
    replicas: list[int]
    answers: Seen


def main() -> None:
    words = report.arguments(__doc__)
    words.add_argument("--seconds", type=float, default=150.0, help="of all of it")
    words.add_argument("--picture", type=Path, default=FOLDER / "autoscaling.png")
    options = words.parse_args()
    os.environ.update(QUIET | SOON)
    with served(**SCALING) as stage:
        trace = watched(stage, seconds=options.seconds)
    draw(trace, options.picture)
    rows = [
        report.row("most_designers", [max(trace.replicas)], unit="replicas"),
        report.row("designers_at_the_end", [trace.replicas[-1]], unit="replicas"),
        report.row("answers", [len(trace.answers.answers)], unit="requests"),
        report.row("answers_that_are_no_designs", [failures(trace.answers)], unit="requests"),
    ]
    report.emit(report.report("autoscaling", rows))


def watched(stage: Stage, *, seconds: float) -> Trace:
    """The crowd's coming and going, and what becomes of it, looked at twice a second."""
    from ray import serve

    under_way, seen = [0], Seen()

    async def come_and_go() -> None:
        post = Http(stage.http, "/v1/design", json.dumps(DESIGN).encode(), stage.bearer)

        async def ask() -> int:
            under_way[0] += 1
            try:
                return await post()
            finally:
                under_way[0] -= 1

        for callers, share in CROWD:
            seen.answers += (await closed(ask, callers=callers, seconds=share * seconds)).answers

    trace, began = Trace([], [], [], seen), time.monotonic()
    thread = threading.Thread(target=lambda: asyncio.run(come_and_go()))
    thread.start()
    while (at := time.monotonic() - began) < seconds:
        states = serve.status().applications["atelier"].deployments["Designer"].replica_states
        trace.at.append(at)
        trace.rows.append(ROWS * under_way[0])
        trace.replicas.append(states.get("RUNNING", 0))
        report.progress(f"{at:.0f} s: {trace.rows[-1]} rows, {trace.replicas[-1]} Designers")
        time.sleep(0.5)
    thread.join()
    return trace


def failures(seen: Seen) -> int:
    """Answers that were no designs."""
    return sum(count for status, count in seen.statuses().items() if status != 200)


def draw(trace: Trace, path: Path) -> None:
    """The trace as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, sharex=True, figsize=(8, 4.5), layout="constrained")
    above.step(trace.at, trace.rows, where="post", color="tab:orange", label="rows asked for and not answered yet")
    slots = [SLOTS * count for count in trace.replicas]
    above.step(trace.at, slots, where="post", color="tab:gray", linestyle=":", label="slots of all Designers")
    below.step(trace.at, trace.replicas, where="post", color="tab:blue", label="Designers that run")
    below.set(xlabel="seconds", ylim=(0, MOST + 0.5), yticks=range(MOST + 1))
    for axes in (above, below):
        axes.legend(loc="upper right", frameon=False, fontsize="small")
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
