import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from fashion_nn.cagan import config, loss
from fashion_nn.cagan.patches import patched
from fashion_nn.cagan.step import CAGANData, CAGANStep, Shown, others_of
from fashion_nn.cagan.transplants import transplanted
from fashion_nn.cagan.warp import places
from fashion_nn.metrics.fittings import misplaced, ssim
from fashion_nn.pictures import normalise
from fashion_nn.state_files import load_state, save_state
from tests.fashion_nn.drawn import pairs_data, pixels

FP32 = dataclasses.replace(config.debug(), precision="fp32", worn_dropout=0.0)


def test_the_generators_step_leaves_no_gradient_in_the_discriminator():
    step = CAGANStep(config.debug(), pairs_data())
    total, *_ = step.on_generator(step.draw(0))
    total.backward()
    assert all(p.grad is None for p in step.discriminator.parameters())
    assert all(p.grad is not None for p in step.generator.parameters())


def test_the_discriminators_step_leaves_no_gradient_in_the_generator():
    step = CAGANStep(config.debug(), pairs_data())
    batch = step.draw(0)
    *_, fitted = step.on_generator(batch)
    step.on_discriminator(batch, fitted)[0].backward()
    assert all(p.grad is None for p in step.generator.parameters())


def test_the_discriminator_learns_of_what_the_generator_learnt_by():
    step = CAGANStep(FP32, pairs_data())
    batch, seen = step.draw(0), []
    expected = step.generator(batch.person, batch.worn_shown, batch.wanted).picture
    step.on_discriminator.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[1]))
    terms = step(batch)
    torch.testing.assert_close(seen, [expected.detach()])  # painted before G's update, and by one pass of it
    assert step.updates == 1 and not seen[0].requires_grad
    assert {name.rpartition("/")[0] for name in terms} == {"loss/generator", "loss/discriminator", "mask"}


def test_the_terms_are_the_papers():
    step = CAGANStep(FP32, pairs_data())
    batch = step.draw(0)
    fitting = step.generator(batch.person, batch.worn, batch.wanted)
    returned = step.generator(fitting.picture, batch.wanted, batch.worn)
    total, terms, fitted = step.on_generator(batch)
    torch.testing.assert_close(fitted, fitting.picture)
    fooled = loss.classified(step.discriminator(fitting.picture, batch.wanted), 1.0, "log")
    torch.testing.assert_close(terms["loss/generator/adversarial"], fooled)
    torch.testing.assert_close(terms["loss/generator/identity"], 0.1 * fitting.mask.mean())
    torch.testing.assert_close(terms["loss/generator/cycle"], (batch.person - returned.picture).abs().mean())
    _, terms = step.on_discriminator(batch, fitted)
    for name, person, garment, target in (
        ("real", batch.person, batch.worn, 1.0),
        ("fake", fitting.picture, batch.wanted, 0.0),
        ("mismatched", batch.person, batch.wanted, 0.0),
    ):
        expected = loss.classified(step.discriminator(person, garment), target, "log")
        torch.testing.assert_close(terms[f"loss/discriminator/{name}"], expected)
    assert total.item() == pytest.approx(
        sum(value.item() for name, value in step.on_generator(batch)[1].items() if name.startswith("loss/")), rel=1e-5
    )


def test_the_wanted_garment_is_never_the_pairs_own():
    step = CAGANStep(config.debug(), pairs_data(3))
    for number in range(8):
        batch = step.draw(number)
        assert (batch.worn - batch.wanted).abs().flatten(1).sum(1).min() > 0


def test_an_unknown_worn_garment_is_shown_as_blank_white():
    settings = dataclasses.replace(config.debug(), worn_dropout=0.5)
    step = CAGANStep(settings, pairs_data())
    batch = step.draw(0)
    hidden = batch.worn_known.flatten() == 0
    assert 0 < hidden.sum() < len(hidden)
    assert (batch.worn_shown[hidden] == 1).all()
    assert torch.equal(batch.worn_shown[~hidden], batch.worn[~hidden])


def test_state_goes_on_bit_for_bit(tmp_path: Path):
    whole, first, second = (CAGANStep(config.debug(), pairs_data()) for _ in range(3))
    for number in range(4):
        whole(whole.draw(number))
    for number in range(2):
        first(first.draw(number))
    save_state(tmp_path, first.state())
    second.load(load_state(tmp_path))
    for weights, moments in second.generator_optimiser.state.items():
        for moment in (moments["exp_avg"], moments["exp_avg_sq"]):
            assert moment.stride() == weights.stride()  # else every update converts
    for number in range(2, 4):
        second(second.draw(number))
    assert torch.equal(whole.generator.last.weight, second.generator.last.weight)
    torch.testing.assert_close(whole.sample(), second.sample(), rtol=0, atol=0)


def test_one_pair_is_not_enough():
    with pytest.raises(ValueError, match="1 persons and 1 garments"):
        CAGANStep(config.debug(), pairs_data(1))


OPTIONS = (
    {"total_variation_weight": 0.1},
    {"colours": "lab"},
    {"embedding": 4},
    {"warp": True},
    {"taught": True},
    {"taught": True, "transplants": True, "structure_weight": 1.0},
    {"truths": True, "warp": True},
    {"truths": True, "warp": True, "placement": True, "origins_weight": 0.5},
    {"warp": True, "matched": True, "taught": True},
    {"segmented_weight": 0.5, "taught": True, "variety": 0.5},
    {"finish": 8},
    {"finish": 8, "warp": True, "placement": True, "last_rate_share": 0.1},
    {"adversarial": "hinge", "discriminator_norm": "spectral"},
    {"penalty_weight": 1.0},
    {"variety": 0.5},
    {"warp": True, "taught": True, "embedding": 4, "groups": ("upper", "lower"), "upsampling": "smooth"},
)


def with_groups(n_pairs: int = 12) -> CAGANData:
    groups = np.arange(n_pairs) % 3 // 2  # two of the first, one of the second
    return dataclasses.replace(with_truths(n_pairs), groups=groups)


def with_truths(n_pairs: int = 12) -> CAGANData:
    shown = Shown(*(pixels(n_pairs, 32, 32, seed=seed) for seed in (2, 3, 5)))
    shown.origins[:, 2] = 255 * (shown.origins[:, 2] // 128)
    return dataclasses.replace(with_masks(n_pairs), shown=shown)


def with_masks(n_pairs: int = 12) -> CAGANData:
    return dataclasses.replace(pairs_data(n_pairs), masks=255 * (pixels(n_pairs, 32, 32, seed=4)[:, :1] // 128))


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options))
def test_every_option_trains_all_of_the_generator(options: dict):
    step = CAGANStep(dataclasses.replace(config.debug(), **options), with_groups())
    for number in range(2):
        assert all(value.isfinite() for value in step(step.draw(number)).values())
    idle = [name for name, p in step.generator.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_a_taught_way_back_begins_with_given_pictures():
    step = CAGANStep(dataclasses.replace(FP32, taught=True), pairs_data())
    batch, starts = step.draw(0), []
    step.generator.register_forward_hook(lambda _m, inputs, _o: starts.append(inputs))
    _, terms, _ = step.on_generator(batch)
    (person, *_), (start, shown, wanted) = starts
    assert torch.equal(person, batch.person) and not start.requires_grad
    assert torch.equal(start[-3:], torch.cat([patched(batch.person, batch.patch)[:2], batch.person[:1]]))
    assert torch.equal(wanted, torch.cat([batch.worn, batch.worn[:2], batch.worn[:1]]))
    assert torch.equal(shown, torch.cat([batch.wanted, batch.wanted[:2], batch.worn[:1]]))
    returned = step.generator(start, shown, wanted).picture
    expected = (torch.cat([batch.person, batch.person[:2], batch.person[:1]]) - returned).abs().mean()
    torch.testing.assert_close(terms["loss/generator/cycle"], expected)


def test_a_fitting_whose_truth_is_known_is_compared_with_it():
    data, config = with_truths(), dataclasses.replace(FP32, truths=True, structure_weight=0.5)
    step, passes = CAGANStep(config, data), []
    batch = step.draw(0)
    everybody = normalise(data.persons)
    places = torch.stack([(everybody - person).abs().flatten(1).sum(1).argmin() for person in batch.person])
    assert torch.equal(batch.wanted, normalise(data.shown.wanted[places]))
    assert torch.equal(batch.truth, normalise(data.shown.truths[places]))
    fitting = step.generator(batch.person, batch.worn, batch.wanted)
    step.generator.register_forward_hook(lambda *_: passes.append(1))
    _, terms, _ = step.on_generator(batch)
    assert passes == [1], "no way back"
    torch.testing.assert_close(terms["loss/generator/cycle"], (batch.truth - fitting.picture).abs().mean())
    torch.testing.assert_close(terms["loss/generator/structure"], 0.5 * loss.structure(batch.truth, fitting.picture))


def test_a_garment_is_taken_from_where_its_origins_are():
    config = dataclasses.replace(FP32, truths=True, warp=True, origins_weight=0.5)
    step = CAGANStep(config, data := with_truths())
    batch = step.draw(0)
    everybody = normalise(data.persons)
    pairs = torch.stack([(everybody - person).abs().flatten(1).sum(1).argmin() for person in batch.person])
    assert torch.equal(batch.origins, data.shown.origins[pairs].float() / 255)
    flow = step.generator(batch.person, batch.worn, batch.wanted).flow
    _, terms, _ = step.on_generator(batch)
    expected = misplaced(places(flow), batch.origins).mean()
    torch.testing.assert_close(terms["loss/generator/origins"], 0.5 * expected)
    unknown = dataclasses.replace(data, shown=dataclasses.replace(data.shown, origins=None))
    with pytest.raises(ValueError, match=r"origins_weight is 0\.5, but the data has no origins"):
        CAGANStep(config, unknown)


def test_truths_have_to_be_there_and_stay_as_they_are():
    config = dataclasses.replace(FP32, truths=True)
    with pytest.raises(ValueError, match="truths is True, but the data shows nobody in a second garment"):
        CAGANStep(config, pairs_data())
    for option in ({"taught": True}, {"variety": 0.5}):
        with pytest.raises(ValueError, match="but truths is True"):
            dataclasses.replace(config, **option)


def test_what_is_worn_must_go_where_masks_say_what_that_is():
    step = CAGANStep(dataclasses.replace(FP32, segmented_weight=0.5), data := with_masks())
    batch = step.draw(0)
    everybody = normalise(data.persons)
    places = torch.stack([(everybody - person).abs().flatten(1).sum(1).argmin() for person in batch.person])
    assert torch.equal(batch.place, data.masks[places].float() / 255)
    mask = step.generator(batch.person, batch.worn, batch.wanted).mask
    expected = -mask[batch.place == 1].log().mean() - (1 - mask[batch.place == 0]).log().mean()
    torch.testing.assert_close(step.on_generator(batch)[1]["loss/generator/segmented"], 0.5 * expected)


def test_masks_that_nobody_knows_count_for_nothing():
    mask, place = torch.rand(3, 1, 8, 6), (torch.rand(3, 1, 8, 6) > 0.5).float()
    place[1] = 0
    some = loss.segmented(mask, place)
    assert some > 0
    left_out = mask.clone().requires_grad_()
    loss.segmented(left_out, place).backward()
    assert (left_out.grad[1] == 0).all() and (left_out.grad[[0, 2]] != 0).all()
    step = CAGANStep(dataclasses.replace(FP32, segmented_weight=0.5, variety=0.5), pairs_data())
    _, terms, _ = step.on_generator(step.draw(0))
    assert terms["loss/generator/segmented"] == 0


def test_a_way_back_begins_without_traces_once_the_masks_are_learnt():
    step = CAGANStep(dataclasses.replace(FP32, taught=True, transplants=True), pairs_data())
    batch, starts = step.draw(0), []
    mine = step.generator(batch.person, batch.worn, batch.wanted)
    theirs = step.generator(batch.wearer, batch.wanted, batch.worn)
    step.generator.register_forward_hook(lambda _m, inputs, _o: starts.append(inputs[0]))
    step.on_generator(batch, 0.5)
    torch.testing.assert_close(starts[-1][:4], mine.picture)
    step.on_generator(batch, transplants=True)
    start, either = starts[-1], torch.maximum(mine.mask, theirs.mask)
    torch.testing.assert_close(start[:2], transplanted(batch.person, mine.painted, mine.mask)[:2])
    torch.testing.assert_close(start[2:4], transplanted(batch.person, batch.wearer, either)[2:])
    assert torch.equal(start[4:6], patched(batch.person, batch.patch)[:2]) and not start.requires_grad
    assert torch.equal(start[6:], batch.person[:1])


def test_transplants_come_after_the_warm_up():
    step = CAGANStep(dataclasses.replace(FP32, taught=True, transplants=True, warm_up=2), pairs_data())
    asked = []
    step.on_generator.register_forward_pre_hook(lambda _module, inputs: asked.append(inputs[1:]))
    for number in range(2):
        step(step.draw(number))
    assert asked == [(0.5, False), (1.0, True)]


def test_a_wearer_wears_the_wanted_garment():
    data = pairs_data()
    batch = CAGANStep(dataclasses.replace(config.debug(), taught=True, transplants=True), data).draw(0)
    everything = np.arange(len(data.persons))
    persons, garments = (normalise(table[everything]) for table in (data.persons, data.garments))
    for wearer, wanted in zip(batch.wearer, batch.wanted, strict=True):
        at = (persons - wearer).abs().flatten(1).sum(1).argmin()
        assert torch.equal(persons[at], wearer) and torch.equal(garments[at], wanted)


def test_rates_fall_to_their_last_share():
    step = CAGANStep(dataclasses.replace(config.debug(), steps=4, last_rate_share=0.1), pairs_data())
    rates = []
    for number in range(5):
        step(step.draw(number))
        rates.append(step.generator_optimiser.param_groups[0]["lr"])
    assert rates[0] == step.config.generator_rate and rates == sorted(rates, reverse=True)
    assert rates[4] == pytest.approx(0.1 * rates[0])
    assert step.discriminator_optimiser.param_groups[0]["lr"] == pytest.approx(0.1 * step.config.discriminator_rate)


def test_the_structure_term_is_what_ssim_lacks():
    step = CAGANStep(dataclasses.replace(FP32, structure_weight=2.0), pairs_data())
    batch = step.draw(0)
    fitting = step.generator(batch.person, batch.worn, batch.wanted)
    returned = step.generator(fitting.picture, batch.wanted, batch.worn).picture
    expected = 2 * (1 - ssim(batch.person, returned).mean().float())
    torch.testing.assert_close(step.on_generator(batch)[1]["loss/generator/structure"], expected)


def test_the_penalty_comes_at_every_so_manyth_step_for_all_of_them():
    step = CAGANStep(dataclasses.replace(FP32, penalty_weight=3.0, penalised_every=4), pairs_data())
    batch = step.draw(0)
    *_, fitted = step.on_generator(batch)
    plain, _ = step.on_discriminator(batch, fitted)
    penalised, terms = step.on_discriminator(batch, fitted, True)
    person = batch.person.detach().requires_grad_()
    steep = loss.gradient_penalty(step.discriminator(person, batch.worn), person)
    torch.testing.assert_close(penalised - plain, 3.0 * 4 * steep)
    assert not any("penalty" in name for name in terms)  # such a term would be an average over steps without it
    seen = []
    step.on_discriminator.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[2]))
    for number in range(5):
        step(step.draw(number))
    assert seen == [True, False, False, False, True]


def test_a_garment_is_exchanged_for_its_like():
    groups = np.array([0, 1, 0, 2, 1, 0, 2, 0])
    pairs = np.repeat(np.arange(8), 50)
    others = others_of(pairs, groups, np.random.default_rng(0))
    assert (groups[others] == groups[pairs]).all() and (others != pairs).all()
    assert {int(other) for other in others[pairs == 0]} == {2, 5, 7}


def test_a_group_of_one_pair_is_refused():
    data = pairs_data(3)
    with pytest.raises(ValueError, match="a group of garments has a single pair"):
        CAGANStep(config.debug(), CAGANData(data.persons, data.garments, np.array([0, 1, 0])))


def test_shares_of_varied_batches_are_the_whole():
    step = CAGANStep(dataclasses.replace(config.debug(), variety=0.5, taught=True, transplants=True), with_groups())
    whole, parts = step.draw(3), [step.draw(3, rank, 2) for rank in range(2)]
    for field in ("person", "worn", "wanted", "worn_known", "group", "patch", "wearer"):
        assert torch.equal(getattr(whole, field), torch.cat([getattr(part, field) for part in parts]))
    plain = CAGANStep(config.debug(), with_groups()).draw(3)
    assert not torch.equal(plain.person, whole.person) and torch.equal(plain.group, whole.group)


def test_a_warm_up_lets_the_judge_in_by_and_by():
    step = CAGANStep(dataclasses.replace(FP32, taught=True, warm_up=4), pairs_data())
    batch, shares = step.draw(0), []
    (_, half, _), (_, whole, _) = (step.on_generator(batch, share) for share in (0.5, 1.0))
    for name in ("adversarial", "identity"):
        torch.testing.assert_close(half[f"loss/generator/{name}"], 0.5 * whole[f"loss/generator/{name}"])
    for name in ("cycle", "painting"):
        torch.testing.assert_close(half[f"loss/generator/{name}"], whole[f"loss/generator/{name}"])
    step.on_generator.register_forward_hook(lambda _m, inputs, _o: shares.append(inputs[1]))
    for number in range(5):
        step(step.draw(number))
    assert shares == [0.25, 0.5, 0.75, 1.0, 1.0]
