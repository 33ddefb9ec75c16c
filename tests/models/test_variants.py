import pytest

from cssr.models.variants import VARIANTS


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("sr", ("sr",), ()),
        ("ss_hr", (), ("ss",)),
        ("bicubic_ss", ("bicubic",), ("ss",)),
        ("ss_sr", (), ("ss", "sr")),
        ("cssr", ("sr",), ("ss",)),
    ],
)
def test_steps_are_parted_before_ss(name, before, after):
    assert (VARIANTS[name].steps_before_ss, VARIANTS[name].steps_from_ss) == (before, after)


def test_what_comes_before_ss_enlarges_the_image_and_what_follows_it_the_probabilities():
    image = {name for name, variant in VARIANTS.items() if variant.enlarges_image}
    probs = {name for name, variant in VARIANTS.items() if variant.enlarges_probs}
    assert image >= {"sr", "bicubic_ss", "sr_ss", "cssr"}
    assert probs >= {"ss_bicubic", "ss_sr", "inverse"}
    assert not image & probs
    assert "ss_hr" not in image | probs
