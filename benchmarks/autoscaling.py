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
from typing import Any

from benchmarks import report
from benchmarks.page import FOLDER
from benchmarks.serving.load import Http, closed
from benchmarks.serving.stage import QUIET, Stage, served

CROWD = ((2, 0.15), (24, 0.45), (0, 0.4))  # callers at once, and their share of the time
ROWS = {"restarts": 16, "steps": 60, "starts": "blind", "k": 1}
DESIGN = {"shopper": {"user_id": "u000000"}, "category": "women-tops", **ROWS}
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
    """What was seen at each moment."""

    at: list[float]
    callers: list[int]
    replicas: list[int]
    rows: list[float]


def main() -> None:
    words = report.arguments(__doc__)
    words.add_argument("--seconds", type=float, default=120.0, help="of all of it")
    words.add_argument("--picture", type=Path, default=FOLDER / "autoscaling.png")
    options = words.parse_args()
    os.environ.update(QUIET | SOON)
    with served(**SCALING) as stage:
        trace = watched(stage, seconds=options.seconds)
    draw(trace, options.picture)
    rows = [
        report.row("most_designers", [max(trace.replicas)], unit="replicas"),
        report.row("designers_at_the_end", [trace.replicas[-1]], unit="replicas"),
    ]
    report.emit(report.report("autoscaling", rows))


def watched(stage: Stage, *, seconds: float) -> Trace:
    """The crowd's coming and going, and what becomes of it, looked at twice a second."""
    from ray import serve

    crowd = [0]

    def come_and_go() -> None:
        for callers, share in CROWD:
            crowd[0] = callers
            if callers:
                ask = Http(stage.http, "/v1/design", json.dumps(DESIGN).encode(), stage.bearer)
                asyncio.run(closed(ask, callers=callers, seconds=share * seconds))

    designer = serve.get_deployment_handle("Designer", "atelier")
    trace, began = Trace([], [], [], []), time.monotonic()
    thread = threading.Thread(target=come_and_go)
    thread.start()
    while (at := time.monotonic() - began) < seconds:
        states = serve.status().applications["atelier"].deployments["Designer"].replica_states
        load: Any = designer.load.remote().result(timeout_s=60)
        trace.at.append(at)
        trace.callers.append(crowd[0])
        trace.replicas.append(states.get("RUNNING", 0))
        trace.rows.append(load.waiting_rows + load.running_rows)
        report.progress(f"{at:.0f} s: {crowd[0]} callers, {trace.replicas[-1]} Designers, {trace.rows[-1]} rows in one")
        time.sleep(0.5)
    thread.join()
    return trace


def draw(trace: Trace, path: Path) -> None:
    """The trace as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, sharex=True, figsize=(8, 4.5), layout="constrained")
    above.step(trace.at, trace.callers, where="post", color="tab:gray", label="callers at once")
    above.plot(trace.at, trace.rows, color="tab:orange", label="rows in one Designer, waiting and running")
    above.axhline(SLOTS, color="tab:orange", linestyle=":", label="its slots")
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
