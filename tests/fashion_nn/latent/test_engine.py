import itertools
import math
from collections.abc import Callable, Generator
from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion_nn.latent import Ascended, Ascent, Engine, EngineConfig, Networks, Plan, Weights
from fashion_nn.latent.engine import DeadlinePassed, NoTime, Task
from fashion_nn.latent.memory import DoesNotFit
from fashion_nn.latent.reference import ascend
from fashion_nn.latent.scheduler import Ending, Full, State
from tests.fashion_nn.latent.conftest import WEIGHTS

KINDS = tuple(WEIGHTS)
RequestOf = Callable[..., Ascent]


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def engine(networks: Networks, slots: int = 16, *, clock: Clock | None = None, **fields) -> Engine:
    config = EngineConfig(slots=slots, precision="fp32", **fields)
    return Engine(networks, config, clock=clock or Clock())


def finish(ours: Engine) -> None:
    while ours.busy:
        ours.step()


def bits(found: Ascended) -> tuple[bytes, ...]:
    return tuple(each.numpy().tobytes() for each in (found.codes, *found.scores, found.climb))


def test_rows_of_mixed_kinds_that_join_at_random_give_what_the_reference_gives(
    networks: Networks, request_of: RequestOf
):
    asked = [
        request_of(seed, kind, steps=30, rate=(0.05, 0.1)[seed % 2])
        for seed, kind in zip(range(15), itertools.cycle(KINDS), strict=False)
    ]
    ours = engine(networks, slots=24)
    found = joined_at_random(ours, asked)
    assert sum(ascent.rows for ascent in asked) == 60
    assert ours.stats.most_rows > 12
    for ascent, each in zip(asked, found, strict=True):
        check_by_the_reference(networks, ascent, each, apart=1e-4)


def joined_at_random(ours: Engine, asked: list[Ascent]) -> list[Ascended]:
    """What each comes to where one or none joins between two steps."""
    random, tasks, waiting = np.random.default_rng(1), [], list(asked)
    while waiting or ours.busy:
        for _ in range(random.integers(0, 2)):
            if waiting:
                tasks.append(ours.submit(Plan.of(waiting.pop(0))))
        ours.step()
    return [task.result for task in tasks]


def check_by_the_reference(networks: Networks, ascent: Ascent, found: Ascended, *, apart: float) -> None:
    """The same objectives, and codes that are no further apart."""
    codes, objectives = ascend(networks, ascent)
    torch.testing.assert_close(found.scores.objective.sort().values, objectives.sort().values, atol=1e-3, rtol=0)
    assert torch.cdist(found.codes, codes).min(1).values.max() < apart


def test_alone_or_in_company_the_answer_is_the_same(networks: Networks, request_of: RequestOf):
    asked = [request_of(seed, kind) for seed, kind in enumerate(KINDS)]
    together = engine(networks).ascend(asked)
    for ascent, found in zip(asked, together, strict=True):
        (alone,) = engine(networks).ascend([ascent])
        torch.testing.assert_close(found.codes, alone.codes, atol=1e-4, rtol=0)
        torch.testing.assert_close(found.scores.objective, alone.scores.objective, atol=1e-3, rtol=0)


@pytest.mark.parametrize("leaves", ["cancelled", "broken"])
def test_who_leaves_changes_no_bit_of_the_others(networks: Networks, request_of: RequestOf, leaves: str):
    """In the leaver's place another request of as many rows begins, so that the passes stay as large."""
    asked, last = [request_of(seed, steps=20) for seed in range(3)], request_of(9, steps=20)

    def others(broken: bool) -> list[Ascended]:
        ours = engine(networks, slots=12)
        tasks = [ours.submit(Plan.of(ascent)) for ascent in asked]
        for _ in range(5):
            ours.step()
        if broken:
            ours.slots.hidden[tasks[1].slots[0]] = torch.nan
        else:
            ours.cancel(tasks[1])
        ours.submit(Plan.of(last))
        finish(ours)
        assert tasks[1].ending is (Ending.FAILED if broken else Ending.CANCELLED)
        return [tasks[0].result, tasks[2].result]

    undisturbed = [task.result for task in run_beside(networks, asked)]
    found = others(broken=leaves == "broken")
    assert [bits(each) for each in found] == [bits(undisturbed[0]), bits(undisturbed[2])]


def run_beside(networks: Networks, asked: list[Ascent]) -> list[Task]:
    ours = engine(networks, slots=12)
    tasks = [ours.submit(Plan.of(ascent)) for ascent in asked]
    finish(ours)
    return tasks


def test_a_row_that_turns_non_finite_fails_its_own_request_with_a_reason(networks: Networks, request_of: RequestOf):
    sound, broken = request_of(1), request_of(2, taste=torch.full((8,), torch.nan))
    ours = engine(networks)
    found, failure = ours.ascend([sound, broken])
    assert isinstance(found, Ascended)
    assert isinstance(failure, FloatingPointError)
    assert "4 of 4 rows did not stay finite" in str(failure)
    assert ours.scheduler.free == 16


def test_rows_join_and_leave_between_steps(networks: Networks, request_of: RequestOf):
    ours = engine(networks, slots=8)
    long = ours.submit(Plan.of(request_of(0, steps=30)))
    for seed in range(1, 5):
        short = ours.submit(Plan.of(request_of(seed, steps=4)))
        while short.result is None:
            ours.step()
        assert short.result.steps == 4
    assert long.result is None
    assert ours.stats.steps == 4 * 5
    finish(ours)
    assert (long.result.steps, ours.stats.steps) == (30, 31)


def test_who_is_suspended_goes_on_from_where_it_was(networks: Networks, request_of: RequestOf):
    """A long request loses its slots to a short one, comes back to others, and gives what it gives alone."""
    long, short = request_of(0, steps=30), request_of(1, steps=4)
    (alone,) = engine(networks).ascend([long])
    ours = engine(networks, slots=6)
    ours.submit(Plan.of(request_of(2, steps=2, starts=torch.zeros(2, 8), keep=1)))
    task = ours.submit(Plan.of(long))
    for _ in range(5):
        ours.step()
    before = task.slots
    other = ours.submit(Plan.of(short))
    ours.step()
    assert (task.state, other.state) == (State.WAITING, State.RUNNING)
    assert ours.look(task) is None
    while task.state is State.WAITING:
        ours.step()
    assert set(task.slots) != set(before)
    finish(ours)
    assert (task.result.steps, other.result.steps) == (30, 4)
    torch.testing.assert_close(task.result.codes, alone.codes, atol=1e-4, rtol=0)
    torch.testing.assert_close(task.result.scores.objective, alone.scores.objective, atol=1e-3, rtol=0)


def test_who_is_suspended_at_its_deadline_gives_the_best_so_far(networks: Networks, request_of: RequestOf):
    clock = Clock()
    ours = engine(networks, slots=4, clock=clock)
    task = ours.submit(Plan.of(request_of(1, steps=100)), deadline=5.0)
    for clock.now in range(3):
        ours.step()
    ours.submit(Plan.of(request_of(2, steps=20)))
    for clock.now in range(3, 10):
        ours.step()
    assert task.ending is Ending.DEADLINE
    assert (task.result.steps, task.held_s) == (2, 3.0)
    assert ours.scheduler.free == 0


def test_no_steps_return_the_starts(networks: Networks, request_of: RequestOf):
    ascent = request_of(2, steps=0)
    (found,) = engine(networks).ascend([ascent])
    assert torch.cdist(found.codes, ascent.starts).min(1).values.max() < 1e-5
    assert found.climb.abs().max() == 0


def test_what_stops_improving_ends_early_with_the_same_answer_in_any_company(networks: Networks, request_of: RequestOf):
    ascent = request_of(3, steps=200, patience=3, gain=0.05)
    (alone,) = engine(networks).ascend([ascent])
    assert 3 < alone.steps < 200
    ours = engine(networks, slots=24)
    ours.submit(Plan.of(request_of(4, steps=50)))
    for _ in range(7):
        ours.step()
    task = ours.submit(Plan.of(ascent))
    finish(ours)
    assert task.result.steps == alone.steps
    torch.testing.assert_close(task.result.codes, alone.codes, atol=1e-4, rtol=0)


def test_the_best_designs_that_differ_are_kept_best_first(networks: Networks, request_of: RequestOf):
    starts = torch.cat([torch.full((3, 8), 0.1), torch.full((1, 8), -0.5)])
    (found,) = engine(networks).ascend([request_of(1, starts=starts, keep=2)])
    assert found.scores.objective[0] >= found.scores.objective[1]
    assert (found.codes[0] - found.codes[1]).abs().max() > 0.1


def plan(first: Ascent, log: list[Ascended], more: int = 1) -> Plan[str]:
    def ascents() -> Generator[Ascent, Ascended, str]:
        log.append((yield first))
        for _ in range(more):
            log.append((yield replace(first, starts=log[-1].codes[:2], keep=1)))
        return "done"

    return Plan(ascents(), first.passes * (1 + more))


def test_ascents_that_follow_from_each_other_are_one_request(networks: Networks, request_of: RequestOf):
    ours, log = engine(networks, slots=6), []
    task = ours.submit(plan(request_of(1), log, more=2))
    beside = ours.submit(Plan.of(request_of(2, steps=30, starts=torch.zeros(4, 8))))
    for _ in range(10):
        ours.step()
    assert (task.rows, len(task.slots)) == (2, 2)  # narrowed after its first ascent
    assert beside.slots  # so that the other one fits
    finish(ours)
    assert task.result == "done"
    objectives = [found.scores.objective[0].item() for found in log]
    assert objectives == sorted(objectives)
    (alone,) = engine(networks).ascend([replace(request_of(1), starts=log[0].codes[:2], keep=1)])
    torch.testing.assert_close(log[1].codes, alone.codes, atol=1e-4, rtol=0)


def test_a_plan_that_raises_fails_alone(networks: Networks, request_of: RequestOf):
    def ascents() -> Generator[Ascent, Ascended, None]:
        yield request_of(1)
        raise RuntimeError("no more")

    ours = engine(networks)
    failure, found = ours.complete([Plan(ascents(), 9), Plan.of(request_of(2))])
    assert (type(failure), str(failure)) == (RuntimeError, "no more")
    assert isinstance(found, Ascended)


def test_a_plan_cannot_take_more_passes_than_it_said(networks: Networks, request_of: RequestOf):
    longer = plan(request_of(1), [], more=2)
    (failure,) = engine(networks).complete([Plan(longer.ascents, longer.passes - 1)])
    assert "an ascent of 9 passes, but 8 were left" in str(failure)


def test_at_its_deadline_a_request_gives_the_best_so_far(networks: Networks, request_of: RequestOf):
    clock = Clock()
    ours = engine(networks, clock=clock)
    task = ours.submit(Plan.of(request_of(1, steps=100)), deadline=5.0)
    for clock.now in range(10):
        ours.step()
    assert task.ending is Ending.DEADLINE
    assert task.result.steps == 5
    assert task.result.climb.max() > 0


def slow(networks: Networks, slots: int = 8, *, step_s: float) -> Engine:
    """An engine whose steps take so long on its clock."""
    clock = Clock()
    ours = engine(networks, slots=slots, clock=clock)
    run = ours._run

    def slowly(running: list[int]) -> None:
        run(running)
        clock.now += step_s

    ours._run = slowly
    return ours


def test_a_step_that_would_end_after_the_deadline_is_not_begun(networks: Networks, request_of: RequestOf):
    ours = slow(networks, step_s=2)
    task = ours.submit(Plan.of(request_of(1, steps=100)), deadline=5.0)
    finish(ours)
    assert (task.ending, ours.clock(), task.result.steps) == (Ending.DEADLINE, 4.0, 1)


def test_at_its_deadline_a_plan_begins_no_other_ascent(networks: Networks, request_of: RequestOf):
    clock = Clock()
    ours = engine(networks, clock=clock)
    task = ours.submit(plan(request_of(1, steps=100), []), deadline=5.0)
    for clock.now in range(10):
        ours.step()
    assert isinstance(task.error, DeadlinePassed)
    assert task.ending is Ending.DEADLINE


def test_who_has_no_slots_in_time_for_a_step_is_told_before_the_deadline(networks: Networks, request_of: RequestOf):
    """What came later and is due sooner had them instead."""
    ours = slow(networks, slots=4, step_s=1)
    ours.submit(Plan.of(request_of(1, steps=6)))
    ours.step()
    task = ours.submit(Plan.of(request_of(2, steps=20)), deadline=ours.clock() + 9)
    for seed in range(3):
        ours.submit(Plan.of(request_of(seed, steps=6)))
    while task.state is not State.ENDED:
        ours.step()
    assert isinstance(task.error, NoTime) and task.held_s == 0
    assert task.deadline - 1 <= ours.clock() <= task.deadline  # once the last step has ended that leaves time to say so


def test_a_cancelled_request_frees_its_slots_at_the_next_step(networks: Networks, request_of: RequestOf):
    ours = engine(networks, slots=4)
    runs, waits = (ours.submit(Plan.of(request_of(seed))) for seed in range(2))
    ours.step()
    ours.cancel(runs)
    ours.step()
    assert (runs.ending, len(waits.slots)) == (Ending.CANCELLED, 4)
    ours.cancel(runs)  # once more changes nothing
    finish(ours)
    assert (ours.stats.endings[Ending.CANCELLED], ours.stats.endings[Ending.FINISHED]) == (1, 1)


def test_progress_tells_the_best_so_far(networks: Networks, request_of: RequestOf):
    ours = engine(networks)
    task = ours.submit(Plan.of(request_of(1, steps=20)))
    assert ours.look(task) is None
    seen = []
    for _ in range(20):
        ours.step()
        seen.append(ours.look(task))
    assert [progress.step for progress in seen] == list(range(20))
    assert all(a.objective <= b.objective for a, b in itertools.pairwise(seen))
    ours.step()
    best = task.result.scores
    assert seen[-1].objective <= best.objective[0]
    assert seen[-1].picture.shape == best.pictures[0].shape


def test_a_full_queue_refuses(networks: Networks, request_of: RequestOf):
    ours = engine(networks, slots=4, max_waiting=4)
    for seed in range(2):
        ours.submit(Plan.of(request_of(seed)))
        ours.step()
    with pytest.raises(Full):
        ours.submit(Plan.of(request_of(2)))


def test_more_rows_than_slots_are_refused(networks: Networks, request_of: RequestOf):
    with pytest.raises(ValueError, match="rows is 4, but there are 3 slots"):
        engine(networks, slots=3).submit(Plan.of(request_of(1)))


def test_slots_follow_from_the_memory(networks: Networks):
    one = engine(networks, slots=1)
    each = engine(networks, slots=2).memory_bytes - one.memory_bytes
    fixed = one.memory_bytes - each
    ours = Engine(networks, EngineConfig(memory_bytes=fixed + 5 * each, precision="fp32"))
    assert ours.scheduler.slots == 5
    with pytest.raises(DoesNotFit, match=r"6 slots need .* room for 5"):
        Engine(networks, EngineConfig(memory_bytes=fixed + 5 * each, slots=6))
    with pytest.raises(DoesNotFit, match="room for 0"):
        Engine(networks, EngineConfig(memory_bytes=fixed))


def test_bf16_reaches_what_fp32_reaches(networks: Networks, request_of: RequestOf):
    asked = [request_of(seed, steps=30, weights=Weights(realism=0.1)) for seed in range(8)]
    exact, rounded = (
        Engine(networks, EngineConfig(slots=32, precision=precision)).ascend(asked) for precision in ("fp32", "bf16")
    )
    reached = [torch.stack([each.scores.objective[0] for each in found]) for found in (exact, rounded)]
    assert reached[1].mean() == pytest.approx(reached[0].mean().item(), rel=0.01)


def test_an_error_in_the_networks_ends_what_runs_and_nothing_else(networks: Networks, request_of: RequestOf):
    ours = engine(networks, slots=4)
    runs, waits = (ours.submit(Plan.of(request_of(seed))) for seed in range(2))
    ours.step()
    ours.fail(RuntimeError("out of memory"))
    finish(ours)
    assert str(runs.error) == "out of memory"
    assert isinstance(waits.result, Ascended)
    assert math.isfinite(waits.result.scores.objective[0])
