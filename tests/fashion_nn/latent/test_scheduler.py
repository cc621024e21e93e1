import ast
import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fashion_nn.latent import scheduler as module
from fashion_nn.latent.scheduler import STRETCH, Ending, Full, Request, Schedule, Scheduler, State

SLOTS = 8


def test_it_knows_no_tensors():
    tree = ast.parse(Path(module.__file__).read_text())
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imported
    assert not any("torch" in ast.unparse(node) or "numpy" in ast.unparse(node) for node in imported)


def scheduler(slots: int = SLOTS, max_waiting: int = 1000) -> Scheduler[Request]:
    return Scheduler(slots, max_waiting=max_waiting)


def asked(to: Scheduler[Request], rows: int, steps: int = 10, **fields) -> Request:
    request = Request(rows=rows, steps=steps, **fields)
    to.add(request)
    return request


def take_a_step(ours: Scheduler[Request]) -> list[Request]:
    """Those that end by it."""
    ours.stepped()
    ended = [request for request in ours.running if not request.steps]
    for request in ended:
        ours.end(request, Ending.FINISHED)
    return ended


def test_those_that_fit_start():
    ours = scheduler()
    first, second, third = (asked(ours, rows) for rows in (4, 4, 4))
    assert ours.schedule().admitted == [first, second]
    assert sorted(first.slots + second.slots) == list(range(SLOTS))
    assert third.state is State.WAITING
    ours.end(first, Ending.FINISHED)
    assert ours.schedule().admitted == [third]


def test_a_small_request_takes_the_slots_of_a_large_one_which_then_goes_on():
    ours = scheduler()
    large = asked(ours, SLOTS, 10)
    ours.schedule()
    ours.stepped()
    held = large.slots
    small = asked(ours, 2, 2)
    changes = ours.schedule()
    assert changes == ([(large, held)], [small])
    assert (large.state, large.slots, large.steps) == (State.WAITING, (), 9)
    for _ in range(2):
        take_a_step(ours)
    assert small.ending is Ending.FINISHED
    assert ours.schedule() == ([], [large])
    assert len(large.slots) == SLOTS


def test_whoever_has_room_is_left_alone():
    ours = scheduler()
    large = asked(ours, SLOTS - 2, 10)
    ours.schedule()
    small = asked(ours, 2, 2)
    assert ours.schedule() == ([], [small])
    assert large.state is State.RUNNING


def test_those_that_ask_for_as_much_go_in_the_order_of_arrival():
    ours = scheduler(slots=2)
    requests = [asked(ours, 2, 3) for _ in range(4)]
    order = []
    while ours.waiting or ours.running:
        ours.schedule()
        order += take_a_step(ours)
    assert order == requests


def test_a_large_request_is_not_kept_waiting_for_ever_by_small_ones():
    """Small ones keep coming, as many as there are slots; the large one has all slots once it is due, until it ends."""
    ours = scheduler()
    large = asked(ours, SLOTS, 10)
    steps = 0
    while large.state is not State.ENDED:
        asked(ours, SLOTS, 1)
        ours.schedule()
        if large.state is State.RUNNING:
            assert ours.served + STRETCH * SLOTS >= large.due[0]  # until then what came was due sooner
        take_a_step(ours)
        steps += 1
    assert steps <= STRETCH * 10 + 10


def test_priority_halves_the_time_until_a_request_is_due():
    ours = scheduler(slots=1)
    runs = asked(ours, 1, 1)
    ours.schedule()
    plain, urgent, more = asked(ours, 1, 8), asked(ours, 1, 15, priority=1), asked(ours, 1, 33, priority=2)
    small = asked(ours, 1, 7)
    order = []
    while ours.waiting:
        ours.end(runs, Ending.FINISHED)
        (runs,) = ours.schedule().admitted
        order.append(runs)
    assert order == [small, urgent, plain, more]


def test_who_waits_beyond_its_deadline_is_late():
    ours = scheduler(slots=2)
    runs, late, _ = (asked(ours, 2, deadline=deadline) for deadline in (1.0, 1.0, 2.0))
    assert ours.schedule().admitted == [runs]
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
        ours.add(request)


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


@given(
    st.lists(st.tuples(st.integers(1, SLOTS), st.integers(1, 6)), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(1, SLOTS), st.integers(1, 3)), min_size=1, max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_nobody_waits_longer_than_it_was_promised(first, stream):
    """While others come without end, a request that is due ends once those due before it have ended one by one."""
    ours = scheduler(max_waiting=10**6)
    requests = [asked(ours, rows, steps) for rows, steps in first]
    comes, promised = itertools.cycle(stream), {}
    for step in itertools.count():
        if all(request.state is State.ENDED for request in requests):
            break
        asked(ours, *next(comes))
        before = sorted([*ours.running, *ours.waiting], key=lambda each: each.due)
        steps = itertools.accumulate(request.steps for request in before)
        for request, longest in zip(before, steps, strict=True):
            assert step < promised.get(request, math.inf)
            if ours.served >= request.due[0]:
                promised.setdefault(request, step + longest)
        ours.schedule()
        assert before[0].state is State.RUNNING
        take_a_step(ours)


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
            self.ours.add(request)
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
        self.the_soonest_due_run(self.ours.schedule())
        for request in take_a_step(self.ours):
            self.ended(request)

    def the_soonest_due_run(self, changes: Schedule[Request]) -> None:
        """Whoever waits does not fit beside those that run and are due before it."""
        assert all(request.state is State.RUNNING for request in changes.admitted)
        assert all(request.state is State.WAITING and not request.slots for request, _ in changes.suspended)
        for request in self.ours.waiting:
            before = sum(each.rows for each in self.ours.running if each.due < request.due)
            assert before + request.rows > self.ours.slots

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
    def no_more_than_was_promised_are_there(self) -> None:
        rows = sum(request.rows for request in (*self.ours.waiting, *self.ours.running))
        assert rows <= self.ours.slots + self.ours.max_waiting

    def teardown(self) -> None:
        for _ in range(1000):
            if not self.ours.waiting and not self.ours.running:
                break
            self.step(0.0)
        assert all(request.state is State.ENDED for request in self.all)


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
