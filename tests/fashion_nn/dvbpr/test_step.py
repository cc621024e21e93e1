import dataclasses

import numpy as np
import pytest
import torch

from fashion_nn.dvbpr import config
from fashion_nn.dvbpr.population import settled
from fashion_nn.dvbpr.step import DVBPRData, DVBPRStep, moved
from tests.fashion_nn.drawn import pixels, shoppers_data


def test_negatives_were_not_bought_and_positives_were():
    step = DVBPRStep(config.debug(), shoppers_data())
    for number in range(5):
        batch = step.draw(number)
        for row, user in enumerate(batch.users.tolist()):
            bought = {bytes(step.data.pictures[i].numpy()) for i in step.data.train[user]}
            assert bytes(batch.pictures[batch.positive[row]].numpy()) in bought
            assert bytes(batch.pictures[batch.negative[row]].numpy()) not in bought
            assert batch.is_negative[row, batch.negative[row]]
            assert not batch.is_negative[row, batch.positive[row]]


def test_every_picture_of_a_batch_is_computed_once():
    batch = DVBPRStep(config.debug(), shoppers_data()).draw(0)
    assert len(np.unique(batch.pictures.numpy(), axis=0)) == len(batch.pictures)


def test_the_draw_is_a_function_of_the_step_and_shares_make_the_whole():
    step = DVBPRStep(config.debug(), shoppers_data())
    whole, halves = step.draw(3), [step.draw(3, rank, 2) for rank in (0, 1)]
    torch.testing.assert_close(step.draw(3).pictures, whole.pictures)
    assert whole.users.tolist() == [*halves[0].users.tolist(), *halves[1].users.tolist()]
    for side in ("positive", "negative"):
        together = torch.cat([half.pictures[getattr(half, side)] for half in halves])
        torch.testing.assert_close(together, whole.pictures[getattr(whole, side)])


@pytest.mark.parametrize("negatives", ["one", "batch"])
def test_training_lowers_the_loss(negatives: str):
    settings = dataclasses.replace(
        config.debug(), negatives=negatives, width=12, hidden=32, learning_rate=0.003, batch_size=32, precision="fp32"
    )
    colours = torch.randint(0, 256, (30, 3, 1, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    step = DVBPRStep(settings, DVBPRData(colours.expand(-1, -1, 32, 32), shoppers_data().train))
    losses = [step(step.draw(number))["loss/ranking"].item() for number in range(100)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_state_goes_on_bit_for_bit():
    data = shoppers_data()
    whole, first, second = (DVBPRStep(config.debug(), data) for _ in range(3))
    for number in range(4):
        whole(whole.draw(number))
    for number in range(2):
        first(first.draw(number))
    second.load(first.state())
    for number in range(2, 4):
        second(second.draw(number))
    for mine, theirs in zip(whole.recommender.parameters(), second.recommender.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def everything_on(**changes: object) -> config.DVBPRConfig:
    """All that `best` has, at debug size."""
    names = ("width", "hidden", "dimensions", "picture_size", "steps")
    small = {name: getattr(config.debug(), name) for name in names} | {"batch_size": 12, "shift": 2}
    return dataclasses.replace(config.best(), **small | {"precision": "fp32"} | changes)


def categorised() -> DVBPRData:
    return dataclasses.replace(shoppers_data(), category=np.arange(30) % 3, n_categories=3)


def test_a_batch_of_items_has_everybody_who_bought_them():
    data = categorised()
    step = DVBPRStep(everything_on(), data)
    batch = step.draw(0)
    assert len(batch.pictures) == 12 and batch.is_negative.shape == (len(batch.users), 12)
    items = [next(i for i in range(30) if torch.equal(data.pictures[i], each)) for each in batch.pictures]
    assert batch.categories.tolist() == [item % 3 for item in items]
    wanted = {(user, item) for user, bought in enumerate(data.train) for item in bought if item in items}
    found = [(user, items[row]) for user, row in zip(batch.users.tolist(), batch.positive.tolist(), strict=True)]
    assert sorted(found) == sorted(wanted)
    for user, row, allowed in zip(batch.users.tolist(), batch.negative, batch.is_negative, strict=True):
        assert allowed.tolist() == [item not in data.train[user] for item in items] and allowed[row]


def test_items_come_in_turn_and_shares_make_the_whole():
    step = DVBPRStep(everything_on(batch_size=10), categorised())
    pictures = torch.cat([step.draw(number).pictures for number in range(3)])
    assert len(np.unique(pictures.numpy(), axis=0)) == 30
    whole, halves = step.draw(4).pictures, [step.draw(4, rank, 2).pictures for rank in (0, 1)]
    assert len(np.unique(torch.cat(halves).numpy(), axis=0)) == len(whole) == 10


def test_a_batch_of_items_that_nobody_bought_teaches_nothing_and_breaks_nothing():
    data = dataclasses.replace(categorised(), train=[np.array([0]), np.array([1])])
    step = DVBPRStep(everything_on(batch_size=2), data)
    for number in range(8):
        terms = step(step.draw(number))
        assert all(value.isfinite() for value in terms.values())


def test_the_category_is_learnt_from():
    """Shoppers buy one category each, of pictures that are noise."""
    random = np.random.default_rng(0)
    bought = [random.choice(np.arange(user % 3, 30, 3), 4, replace=False) for user in range(12)]
    data = dataclasses.replace(categorised(), train=bought)
    step = DVBPRStep(everything_on(steps=60, learning_rate=0.01), data)
    for number in range(60):
        step(step.draw(number))
    scores = step.recommender.taste.weight.detach().numpy() @ step.looks().numpy().T
    own = np.array([[item % 3 == user % 3 for item in range(30)] for user in range(12)])
    assert scores[own].mean() > scores[~own].mean() + 1


def test_the_rate_falls_and_the_last_step_settles_the_tastes():
    step = DVBPRStep(everything_on(), categorised())
    rates = []
    for number in range(10):
        before = step.recommender.taste.weight.detach().clone()
        step(step.draw(number))
        rates.append(step.optimiser.param_groups[0]["lr"])
        moved = (step.recommender.taste.weight - before).abs().max().item()
        assert (moved > 0.02) == (number == 9)
    assert rates[0] == step.config.learning_rate and rates == sorted(rates, reverse=True)
    assert rates[9] < 0.05 * rates[0]
    usual, vectors = step.recommender.usual(), step.looks().numpy()
    expected = settled(vectors, step.data.train, usual, seed=step.config.seed)
    np.testing.assert_allclose(step.recommender.taste.weight.detach().numpy(), expected, rtol=1e-3, atol=1e-4)


def test_one_shopper_is_no_population():
    data = dataclasses.replace(categorised(), train=[np.array([0, 1]), np.array([], np.int64)])
    with pytest.raises(ValueError, match=r"population .* 1 shopper .* at least 2"):
        DVBPRStep(everything_on(), data)


def test_a_run_that_diverges_in_its_last_step_tells_so_itself():
    step = DVBPRStep(everything_on(steps=1), categorised())
    step.recommender.taste.weight.data.fill_(float("nan"))
    assert not step(step.draw(0))["loss/ranking"].isfinite()


def test_a_run_with_everything_on_goes_on_bit_for_bit():
    whole, first, second = (DVBPRStep(everything_on(steps=4), categorised()) for _ in range(3))
    for step, numbers in ((whole, range(4)), (first, range(2))):
        for number in numbers:
            torch.manual_seed(number)
            step(step.draw(number))
    second.load(first.state())
    for number in range(2, 4):
        torch.manual_seed(number)
        second(second.draw(number))
    for name, mine in whole.recommender.state_dict().items():
        assert torch.equal(mine, second.recommender.state_dict()[name]), name


def test_pictures_are_moved_over_white_and_keep_their_colours():
    picture = torch.full((64, 3, 8, 8), -1.0)
    picture[:, 0, :, :4] = 0.5  # on the left alone
    seen = moved(picture, 2)
    assert seen.shape == picture.shape and set(seen.unique().tolist()) <= {-1.0, 0.5, 1.0}
    painted = seen[:, 0] == 0.5
    left = painted[:, :, :4].sum((1, 2)) > painted[:, :, 4:].sum((1, 2))
    assert 10 < left.sum() < 54


def test_a_shopper_who_bought_everything_is_refused():
    step = DVBPRStep(config.debug(), DVBPRData(pixels(3, 32, 32), [np.arange(3)]))
    with pytest.raises(ValueError, match="bought all 3 items"):
        step.draw(0)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"batch_size is 8.*3 workers"):
        DVBPRStep(config.debug(), shoppers_data()).draw(0, 0, 3)
