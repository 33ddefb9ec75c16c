import colorsys

import numpy as np
import torch

from cssr.training.augment import Augmentation, augment, draw_augmentation

IDENTITY = torch.tensor([[1.0, 0, 0], [0, 1, 0]])


def batch(n: int = 4, side: int = 32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    hr = torch.rand(n, 3, side, side, generator=generator)
    mask = (torch.rand(n, 1, side, side, generator=generator) > 0.8).float()
    return hr, mask, torch.randn(n, 1, side, side, generator=generator)


def augmentation(n: int = 4, **changes: torch.Tensor) -> Augmentation:
    plain = Augmentation(
        IDENTITY.repeat(n, 1, 1), torch.ones(n), torch.eye(3).repeat(n, 1, 1), torch.zeros(n)
    )
    return plain._replace(**changes)


def test_no_distortion_leaves_a_batch_as_it_is():
    hr, mask, phi = batch()
    after = augment(hr, mask, phi, augmentation())
    torch.testing.assert_close(after[0], hr, atol=1e-5, rtol=0)
    assert torch.equal(after[1], mask)
    assert torch.equal(after[2], phi)


def test_a_mirrored_batch_is_flipped_left_to_right():
    hr, mask, phi = batch()
    theta = torch.tensor([[-1.0, 0, 0], [0, 1, 0]]).repeat(4, 1, 1)
    after = augment(hr, mask, phi, augmentation(theta=theta))
    torch.testing.assert_close(after[0], hr.flip(-1), atol=1e-5, rtol=0)
    assert torch.equal(after[1], mask.flip(-1))
    assert torch.equal(after[2], phi.flip(-1))


def test_phi_of_a_crop_is_in_pixels_of_the_crop():
    hr, mask, phi = batch(1)
    mask[:] = 1
    phi[:] = -3.0
    theta = (IDENTITY * 0.8)[None]
    after = augment(hr, mask, phi, augmentation(1, theta=theta, zoom=torch.tensor([1.25])))
    torch.testing.assert_close(after[2], torch.full_like(phi, -3.75))


def test_phi_is_zero_where_the_crop_holds_no_crack():
    hr, mask, phi = batch(2)
    mask[0] = 0
    after = augment(hr, mask, phi, augmentation(2))
    assert after[2][0].abs().max() == 0
    assert after[2][1].abs().max() > 0


def test_crops_have_between_sixty_and_a_hundred_percent_of_the_area_inside_the_image():
    drawn = draw_augmentation(2000, np.random.default_rng(0))
    side = drawn.theta[:, 1, 1]
    assert 0.6 <= (side**2).min() < 0.61
    assert 0.99 < (side**2).max() <= 1
    assert (drawn.theta[:, :, 2].abs() <= 1 - side[:, None] + 1e-6).all()
    torch.testing.assert_close(drawn.zoom, 1 / side)


def test_each_photometric_distortion_has_probability_one_half():
    drawn = draw_augmentation(4000, np.random.default_rng(0))
    mirrored = (drawn.theta[:, 0, 0] < 0).float().mean()
    shifted = (drawn.shift != 0).float().mean()
    plain = (drawn.colour == torch.eye(3)).all(dim=(1, 2)).float().mean()
    assert abs(mirrored - 0.5) < 0.03
    assert abs(shifted - 0.5) < 0.03
    assert abs(plain - 0.125) < 0.03  # no contrast, saturation or hue


def test_grey_stays_grey_under_saturation_and_hue():
    colour = draw_augmentation(500, np.random.default_rng(0)).colour
    grey = colour.sum(dim=2)  # of (1, 1, 1)
    torch.testing.assert_close(grey, grey[:, :1].expand(-1, 3))
    assert 0.5 <= grey.min() < grey.max() <= 1.5


def test_hue_turns_by_at_most_eighteen_degrees():
    colour = draw_augmentation(500, np.random.default_rng(0)).colour
    before = torch.tensor([0.55, 0.5, 0.45])  # a warm grey
    after = (colour @ before).clamp(0, 1)
    hues = [colorsys.rgb_to_hsv(*row.tolist())[0] * 360 for row in after]
    turned = np.abs(np.array(hues) - colorsys.rgb_to_hsv(*before.tolist())[0] * 360)
    assert 10 < np.minimum(turned, 360 - turned).max() < 19


def test_images_stay_in_the_unit_interval():
    hr, mask, phi = batch(64)
    after = augment(hr, mask, phi, draw_augmentation(64, np.random.default_rng(0)))
    assert after[0].min() >= 0
    assert after[0].max() <= 1


def test_the_same_generator_gives_the_same_distortions():
    first, second = (draw_augmentation(8, np.random.default_rng(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
