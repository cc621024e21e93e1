import torch

from fashion_nn.cagan.transplants import transplanted


def test_where_either_is_dressed_the_picture_is_the_wearers() -> None:
    person, wearer = torch.zeros(2, 3, 96, 72), torch.ones(2, 3, 96, 72)
    mask = torch.zeros(2, 1, 96, 72)
    mask[0, :, 40:60, 30:50] = 0.5
    mixed = transplanted(person, wearer, mask)
    assert (mixed[0, :, 39:61, 29:51] == 1).all()  # with what is around it, in case the mask is a little small
    assert (mixed[0, :, :36] == 0).all() and (mixed[0, :, 64:] == 0).all()
    assert torch.equal(mixed[1], person[1])


def test_a_faint_mask_is_no_garment() -> None:
    person, wearer = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    assert torch.equal(transplanted(person, wearer, torch.full((1, 1, 32, 32), 0.2)), person)


def test_small_pictures_have_seams_too() -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 16, 16] = 1
    mixed = transplanted(torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32), mask)
    assert mixed[0, 0, 16, 16] == 1 and 0 < mixed[0, 0, 16, 18] < 1 and mixed[0, 0, 16, 20] == 0
