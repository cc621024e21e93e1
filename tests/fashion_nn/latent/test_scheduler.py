import ast
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fashion_nn.latent import scheduler as module
from fashion_nn.latent.scheduler import HEAD_START_S, Ending, Full, Request, Scheduler, State

SLOTS = 8


def test_it_knows_no_tensors():
    tree = ast.parse(Path(module.__file__).read_text())
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imported
    assert not any("torch" in ast.unparse(node) or "numpy" in ast.unparse(node) for node in imported)


def scheduler(slots: int = SLOTS, max_waiting: int = 1000) -> Scheduler[Request]:
    return Scheduler(slots, max_waiting=max_waiting)


def asked(to: Scheduler[Request], rows: int, steps: int = 10, *, at: float = 0.0, **fields) -> Request:
    request = Request(rows=rows, steps=steps, **fields)
    to.add(request, at)
    return request


def test_those_that_fit_start_in_the_order_of_arrival():
    ours = scheduler()
    first, second, third = (asked(ours, rows) for rows in (5, 3, 1))
    assert ours.schedule() == [first, second]
    assert sorted(first.slots + second.slots) == list(range(SLOTS))
    assert third.state is State.WAITING
    ours.end(first, Ending.FINISHED)
    assert ours.schedule() == [third]


def test_a_large_request_is_not_kept_waiting_by_small_ones():
    """Small requests keep coming, as many as there are slots; the large one starts when the first of them ends."""
    ours = scheduler()
    asked(ours, 4, 6)
    ours.schedule()
    large = asked(ours, SLOTS, 10)
    started = None
    for step in range(20):
        asked(ours, 4, 6, at=step)
        ours.schedule()
        if large.state is State.RUNNING:
            started = step
            break
        ours.stepped()
        for request in [each for each in ours.running if not each.steps]:
            ours.end(request, Ending.FINISHED)
    assert started == 6


def test_a_small_request_goes_before_where_it_delays_nobody():
    ours = scheduler()
    asked(ours, 6, 10)
    ours.schedule()
    large = asked(ours, 4, 10)
    too_long, short = asked(ours, 2, 11), asked(ours, 2, 10)
    spare = asked(ours, 2, 1000)
    admitted = ours.schedule()
    assert admitted == [too_long]  # when the six end, eight are free: four for the large one, and these two
    ours.end(too_long, Ending.CANCELLED)
    assert ours.schedule() == [short]
    assert (large.state, spare.state) == (State.WAITING, State.WAITING)


def test_a_longer_one_does_not_go_before_where_it_would_delay():
    ours = scheduler()
    asked(ours, 6, 10)
    ours.schedule()
    asked(ours, SLOTS, 5)
    longer, as_long = asked(ours, 2, 11), asked(ours, 2, 10)
    assert ours.schedule() == [as_long]
    assert longer.state is State.WAITING


def test_priority_is_a_head_start_and_no_more():
    ours = scheduler(slots=1)
    runs = asked(ours, 1)
    ours.schedule()
    early, urgent = asked(ours, 1, at=1.0), asked(ours, 1, at=1.0 + HEAD_START_S, priority=2)
    late = asked(ours, 1, at=1.5 + 2 * HEAD_START_S, priority=2)
    order = []
    while ours.waiting:
        ours.end(runs, Ending.FINISHED)
        (runs,) = ours.schedule()
        order.append(runs)
    assert order == [urgent, early, late]


def test_who_waits_beyond_its_deadline_is_late():
    ours = scheduler(slots=2)
    runs, late, _ = asked(ours, 2, deadline=1.0), asked(ours, 1, deadline=1.0), asked(ours, 1, deadline=2.0)
    assert ours.schedule() == [runs]
    assert ours.late(0.5) == []
    assert ours.late(1.0) == [late]


def test_too_many_rows_in_the_queue_are_refused():
    ours = scheduler(max_waiting=4)
    asked(ours, SLOTS)  # goes into the free slots
    ours.schedule()
    asked(ours, 3)
    with pytest.raises(Full, match="3 rows are waiting and 2 more were asked for, but the limit is 4"):
        asked(ours, 2)
    asked(ours, 1)


def test_what_could_never_run_is_refused():
    with pytest.raises(ValueError, match="rows is 9, but there are 8 slots"):
        asked(scheduler(), 9)


def test_a_request_is_added_once():
    ours = scheduler()
    request = asked(ours, 1)
    with pytest.raises(ValueError, match="waiting already"):
        ours.add(request, 0.0)


def test_a_narrowed_request_frees_what_it_leaves():
    ours = scheduler()
    request = asked(ours, SLOTS)
    ours.schedule()
    ours.narrow(request, 3)
    assert (request.slots, ours.free) == ((0, 1, 2), 5)
    with pytest.raises(ValueError, match="rows is 4"):
        ours.narrow(request, 4)


@pytest.mark.parametrize("fields", [{"rows": 0}, {"steps": 0}, {"priority": -1}, {"priority": 10}])
def test_impossible_requests_are_refused(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        Request(**({"rows": 1, "steps": 1} | fields))


@given(st.lists(st.tuples(st.integers(1, SLOTS), st.integers(1, 30)), min_size=1, max_size=30))
@settings(deadline=None)
def test_the_first_in_the_queue_starts_when_it_was_promised(shapes):
    """Whoever is first and does not fit starts no later than when those that then ran have taken their last step."""
    ours, promised = scheduler(), {}
    waiting = [asked(ours, rows, steps) for rows, steps in shapes]
    for step in range(10_000):
        for request in ours.schedule():
            assert step <= promised.get(request, step)
        if ours.waiting:
            left = sorted((request.steps, request.rows) for request in ours.running)
            free, first = ours.free, ours.waiting[0]
            for steps, rows in left:
                free += rows
                if free >= first.rows:
                    promised.setdefault(first, step + steps)
                    break
        ours.stepped()
        for request in [each for each in ours.running if not each.steps]:
            ours.end(request, Ending.FINISHED)
        if not ours.running and not ours.waiting:
            break
    assert all(request.ending is Ending.FINISHED for request in waiting)


class Life(RuleBasedStateMachine):
    """Requests come, run, narrow, end early, are cancelled and miss their deadlines, in any order."""

    @initialize(slots=st.integers(1, 12))
    def begin(self, slots: int) -> None:
        self.ours = scheduler(slots, max_waiting=40)
        self.now, self.all, self.ends = 0.0, [], {}

    @rule(
        rows=st.integers(1, 12),
        steps=st.integers(1, 20),
        priority=st.integers(0, 3),
        patience=st.one_of(st.none(), st.floats(0, 20)),
    )
    def come(self, rows: int, steps: int, priority: int, patience: float | None) -> None:
        deadline = math.inf if patience is None else self.now + patience
        request = Request(rows=min(rows, self.ours.slots), steps=steps, priority=priority, deadline=deadline)
        try:
            self.ours.add(request, self.now)
        except Full:
            assert request.state is State.NEW
        else:
            self.all.append(request)

    @rule(seconds=st.floats(0, 3))
    def step(self, seconds: float) -> None:
        self.now += seconds
        for request in self.ours.late(self.now):
            self.ours.end(request, Ending.DEADLINE)
            self.ended(request)
        before = list(self.ours.waiting)
        admitted = self.ours.schedule()
        assert [request for request in before if request in admitted] == admitted
        left = [request for request in before if request.state is State.WAITING]
        if left and left[0].rows <= self.ours.free:
            raise AssertionError("the first in the queue fits and was not admitted")
        self.ours.stepped()
        for request in [each for each in self.ours.running if not each.steps]:
            self.ours.end(request, Ending.FINISHED)
            self.ended(request)

    @precondition(lambda self: self.all)
    @rule(data=st.data(), ending=st.sampled_from([Ending.CANCELLED, Ending.FAILED, Ending.FINISHED]))
    def leave(self, data: st.DataObject, ending: Ending) -> None:
        request = data.draw(st.sampled_from(self.all))
        was, why = request.state, request.ending
        self.ours.end(request, ending)
        if was is State.ENDED:
            assert request.ending is why
        else:
            self.ended(request)

    @precondition(lambda self: any(request.rows > 1 for request in self.ours.running))
    @rule(data=st.data())
    def narrow(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from([each for each in self.ours.running if each.rows > 1]))
        self.ours.narrow(request, data.draw(st.integers(1, request.rows)))

    def ended(self, request: Request) -> None:
        assert request not in self.ends, "a request ended twice"
        self.ends[request] = request.ending

    @invariant()
    def no_slot_leaks(self) -> None:
        held = [slot for request in self.ours.running for slot in request.slots]
        assert len(held) == len(set(held))
        assert len(held) + self.ours.free == self.ours.slots
        assert all(len(request.slots) == request.rows for request in self.ours.running)

    @invariant()
    def everybody_is_in_one_place(self) -> None:
        places = {State.WAITING: self.ours.waiting, State.RUNNING: self.ours.running, State.ENDED: self.ends}
        for request in self.all:
            assert [state for state, place in places.items() if request in place] == [request.state]
        assert len(self.all) == sum(len(place) for place in places.values())

    @invariant()
    def the_queue_is_in_order(self) -> None:
        ranks = [request.rank for request in self.ours.waiting]
        assert ranks == sorted(ranks)

    def teardown(self) -> None:
        for _ in range(1000):
            if not self.ours.waiting and not self.ours.running:
                break
            self.step(0.0)
        assert all(request.state is State.ENDED for request in self.all)


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
