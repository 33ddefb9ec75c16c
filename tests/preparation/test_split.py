import pytest

from cssr.preparation.photo_names import photo_of
from cssr.preparation.split import source_of, split_names

NAMES = [f"CFD_{i}.jpg" for i in range(50)] + [f"noncrack_METU_{i}.jpg" for i in range(30)]
NAMES += [f"DeepCrack_IMG_{i}.jpg" for i in range(20)]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("CFD_004_0.jpg", "CFD"),
        ("CRACK500_20160222_081011_1921_721_0.jpg", "CRACK500"),
        ("DeepCrack_11125-1.jpg", "DeepCrack"),
        ("DeepCrack_IMG_6472-1_0.jpg", "DeepCrack"),
        ("Rissbilder_for_Florian_9S6A2831_1556.jpg", "Rissbilder"),
        ("Volker_DSC01623_32_1414.jpg", "Volker"),
        ("cracktree200_6757.jpg", "cracktree200"),
        ("noncrack_CFD_205_0.jpg", "noncrack_CFD"),
        ("noncrack_noncrack_concrete_wall_58_18.jpg", "noncrack_noncrack_concrete"),
        ("noncrack_7.jpg", "noncrack"),
        ("0001.jpg", ""),
    ],
)
def test_the_source_of_an_image_is_read_from_its_name(name, source):
    assert source_of(name) == source


def test_every_name_is_on_one_side():
    train, val = split_names(NAMES, val=17, seed=0)
    assert sorted(train + val) == sorted(NAMES)


@pytest.mark.parametrize("val", [1, 7, 33, 99])
def test_the_number_of_validation_images_is_exact(val):
    assert len(split_names(NAMES, val=val, seed=0)[1]) == val


def test_each_source_gives_its_share():
    _, val = split_names(NAMES, val=10, seed=0)
    assert [source_of(name) for name in val] == ["CFD"] * 5 + ["DeepCrack"] * 2 + [
        "noncrack_METU"
    ] * 3


def test_names_without_a_source_are_one_group():
    assert len(split_names([f"{i}.jpg" for i in range(9)], val=3, seed=0)[1]) == 3


def test_the_order_of_the_names_does_not_matter():
    assert split_names(NAMES, val=9, seed=1) == split_names(NAMES[::-1], val=9, seed=1)


def test_another_seed_gives_another_choice():
    assert split_names(NAMES, val=9, seed=1) != split_names(NAMES, val=9, seed=2)


@pytest.mark.parametrize("val", [0, 100, 481])
def test_too_few_images_are_refused(val):
    with pytest.raises(ValueError, match=f"{val} validation images .* of 100 training images"):
        split_names(NAMES, val=val, seed=0)


@pytest.mark.parametrize("seed", range(4))
def test_the_crops_of_a_photo_stay_together(seed):
    names = [f"CFD_{k // 4:03}_{k % 4}.jpg" for k in range(80)]
    names += [f"bridge_{k % 7}__{k}.jpg" for k in range(70)]
    train, val = split_names(names, val=34, seed=seed)
    assert not {photo_of(name) for name in train} & {photo_of(name) for name in val}
    assert 30 <= len(val) <= 34
    assert {source_of(name) for name in val} == {"CFD", "bridge"}


def test_what_a_source_cannot_give_is_taken_elsewhere():
    names = [f"bridge_1__{k}.jpg" for k in range(50)] + [f"wall_{k}.jpg" for k in range(50)]
    assert len(split_names(names, val=20, seed=0)[1]) == 20


def test_photos_that_are_all_too_large_are_refused():
    names = [f"bridge_{k // 50}__{k}.jpg" for k in range(100)]
    with pytest.raises(ValueError, match="each photo, or group, has more than that"):
        split_names(names, val=20, seed=0)
