"""Leave one out: nothing lost, nothing twice, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_nn.datasets.catalogue import Catalogue
from fashion_nn.datasets.sources import PictureSource
from fashion_nn.datasets.split import Split, drop_items, leave_one_out

ITEMS = 12


def catalogue_of(bought: list[tuple[int, int, int]]) -> Catalogue:
    """(user, item, time) of every purchase, in the order of the file."""
    users = list(dict.fromkeys(user for user, _, _ in bought))
    return Catalogue(
        item_ids=[str(i) for i in range(ITEMS)],
        categories=["tops"],
        item_category=np.zeros(ITEMS, np.int64),
        pictures=[PictureSource(str(i), b"") for i in range(ITEMS)],
        user_ids=[str(user) for user in users],
        interactions=np.array([(users.index(u), i) for u, i, _ in bought], np.int64).reshape(-1, 2),
        timestamps=np.array([time for _, _, time in bought], np.int64),
    )


def items_of(catalogue: Catalogue, user: int) -> list[int]:
    return np.unique(catalogue.interactions[catalogue.interactions[:, 0] == user, 1]).tolist()


def parts_of(split: Split, user: int) -> list[int]:
    held_out = [item for item in (split.validation[user], split.test[user]) if item >= 0]
    return sorted([*split.train[user].tolist(), *held_out])


purchases = st.lists(st.tuples(st.integers(0, 5), st.integers(0, ITEMS - 1), st.integers(-9, 9)), max_size=60)
orders = st.sampled_from(["random", "last"])


@given(purchases, orders, st.integers(0, 2**32))
def test_every_users_items_are_partitioned(bought, order, seed):
    catalogue = catalogue_of(bought)
    split = leave_one_out(catalogue, seed=seed, order=order)
    assert len(split.train) == len(split.validation) == len(split.test) == len(catalogue.user_ids)
    for user in range(len(catalogue.user_ids)):
        assert parts_of(split, user) == items_of(catalogue, user)  # none lost, none twice
        held_out = split.validation[user] >= 0, split.test[user] >= 0
        assert held_out == ((len(items_of(catalogue, user)) >= 3),) * 2
        assert split.train[user].dtype == np.int64 and (np.diff(split.train[user]) > 0).all()


@given(purchases, orders, st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_split(bought, order, seed):
    first, again = (leave_one_out(catalogue_of(bought), seed=seed, order=order) for _ in range(2))
    assert np.array_equal(first.test, again.test) and np.array_equal(first.validation, again.validation)


@given(purchases)
def test_the_last_bought_is_tested(bought):
    catalogue = catalogue_of(bought)
    split = leave_one_out(catalogue, seed=0, order="last")
    for user in np.flatnonzero(split.test >= 0):
        own = catalogue.interactions[:, 0] == user
        by_time = catalogue.interactions[own, 1][np.argsort(catalogue.timestamps[own], kind="stable")].tolist()
        assert split.test[user] == by_time[-1]
        assert split.validation[user] == [item for item in by_time if item != by_time[-1]][-1]


def test_another_seed_gives_another_split():
    bought = [(user, item, 0) for user in range(6) for item in range(ITEMS)]
    tests = {tuple(leave_one_out(catalogue_of(bought), seed=seed).test) for seed in range(5)}
    assert len(tests) == 5


def test_random_draws_every_item_alike():
    bought = [(user, item, item) for user in range(400) for item in range(4)]
    counts = np.bincount(leave_one_out(catalogue_of(bought), seed=0).test)
    assert counts.min() > 70 and len(counts) == 4  # 100 each; 3.5 standard deviations


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match="neither 'random' nor 'last'"):
        leave_one_out(catalogue_of([]), seed=0, order="first")


def test_training_counts_are_over_training_alone():
    split = Split(train=[np.array([0, 2]), np.array([2])], validation=np.array([1, -1]), test=np.array([3, -1]))
    assert split.training_counts(5).tolist() == [1, 0, 2, 0, 0]


@given(purchases, st.sets(st.integers(0, ITEMS - 1), max_size=ITEMS - 1), st.integers(0, 100))
def test_dropped_items_leave_everything_else_in_place(bought, dropped, seed):
    catalogue = catalogue_of(bought)
    split = leave_one_out(catalogue, seed=seed)
    smaller, split_left = drop_items(catalogue, split, sorted(dropped))

    def by_name(names: Catalogue, parts: Split) -> dict:
        def held(item: int) -> set:
            return {names.item_ids[item]} - {str(i) for i in dropped} if item >= 0 else set()

        kept = {
            user: (
                {names.item_ids[i] for i in parts.train[u]} - {str(i) for i in dropped},
                held(parts.validation[u]),
                held(parts.test[u]),
            )
            for u, user in enumerate(names.user_ids)
        }
        return {user: sets for user, sets in kept.items() if any(sets)}

    assert by_name(smaller, split_left) == by_name(catalogue, split)
    assert len(split_left.train) == len(smaller.user_ids)
