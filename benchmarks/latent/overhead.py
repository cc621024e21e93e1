"""6. The engine's own share of the time: scheduling and harvesting, with every slot taken by short requests."""

from benchmarks import report
from benchmarks.latent.subjects import Subjects
from fashion_nn.latent import Engine

ROWS, STEPS = 4, 10


def measure(subjects: Subjects, engine: Engine, *, runs: int) -> list[report.Row]:
    """The share of a run of requests of 4 rows and 10 steps; each run fills the slots four times over."""
    count = 4 * engine.scheduler.slots // ROWS
    engine.scheduler.max_waiting = count * ROWS

    def share() -> float:
        ran, other = engine.stats.run_s, engine.stats.other_s
        engine.ascend(subjects.blind(shopper, ROWS, steps=STEPS) for shopper in range(count))
        ran, other = engine.stats.run_s - ran, engine.stats.other_s - other
        return other / (ran + other)

    found = report.in_turns({"overhead": share}, runs=runs)
    return [report.row("engine_overhead/4x10", found["overhead"], unit="1")]
