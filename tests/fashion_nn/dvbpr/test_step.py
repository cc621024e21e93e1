import dataclasses

import numpy as np
import pytest
import torch

from fashion_nn.dvbpr import config
from fashion_nn.dvbpr.step import DVBPRData, DVBPRStep
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


def test_a_shopper_who_bought_everything_is_refused():
    step = DVBPRStep(config.debug(), DVBPRData(pixels(3, 32, 32), [np.arange(3)]))
    with pytest.raises(ValueError, match="bought all 3 items"):
        step.draw(0)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"batch_size is 8.*3 workers"):
        DVBPRStep(config.debug(), shoppers_data()).draw(0, 0, 3)
