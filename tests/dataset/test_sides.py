import pytest

from cssr.dataset.sides import drawn_sides, given_sides, group_of, joined
from cssr.sources.listing import DataError

GROUPS = {f"photo_{k:02}": f"site_{k % 9}" for k in range(60)}


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides(seed):
    sides = drawn_sides(GROUPS, 0.2, seed)
    of_group = {}
    for name, side in sides.items():
        assert of_group.setdefault(GROUPS[name], side) == side
    share = list(sides.values()).count("test") / len(sides)
    assert 0.1 <= share <= 0.3


def test_photos_that_are_groups_by_themselves_give_the_share():
    sides = drawn_sides({f"{k}": f"{k}" for k in range(40)}, 0.15, 0)
    assert list(sides.values()).count("test") == 6


def test_the_order_of_the_photos_does_not_matter():
    assert drawn_sides(GROUPS, 0.2, 1) == drawn_sides(dict(reversed(GROUPS.items())), 0.2, 1)


def test_another_seed_draws_others():
    assert drawn_sides(GROUPS, 0.2, 1) != drawn_sides(GROUPS, 0.2, 2)


def test_a_single_group_is_refused():
    with pytest.raises(DataError, match="all images are of one group, site; nothing to test on"):
        drawn_sides({"a": "site", "b": "site"}, 0.5, 0)


@pytest.mark.parametrize(
    ("splits", "sides"),
    [
        ({"a": "train", "b": "test", "c": "val"}, {"a": "train", "b": "test", "c": "train"}),
        ({"a": "train", "b": "val"}, {"a": "train", "b": "test"}),
        ({"a": None, "b": None}, None),
    ],
)
def test_folders_tell_the_sides(splits, sides):
    assert given_sides(splits) == sides


@pytest.mark.parametrize(
    ("splits", "says"),
    [
        ({"a": "train", "b": "test", "c": None}, "1 of 3 images are in no folder train or test: c"),
        ({"a": "train", "b": "train"}, "all images are in folders train; --test SHARE"),
    ],
)
def test_folders_that_do_not_tell_them_are_refused(splits, says):
    with pytest.raises(DataError, match=says):
        given_sides(splits)


@pytest.mark.parametrize(
    ("pattern", "group"),
    [
        (None, None),
        ("folder", "bridge/north"),
        (r"DSC_\d+", "DSC_0012"),
        (r"^(\w+)/", "bridge"),
    ],
)
def test_a_pattern_tells_the_group(pattern, group):
    assert group_of("bridge/north/DSC_0012-3.jpg", pattern) == group


@pytest.mark.parametrize(
    ("pattern", "says"), [("(", r"--group \(: "), ("xyz", "--group xyz: finds nothing in a.jpg")]
)
def test_a_pattern_that_tells_no_group_is_refused(pattern, says):
    with pytest.raises(DataError, match=says):
        group_of("a.jpg", pattern)


def test_groups_that_share_a_photo_are_one():
    groups = {"a": "x", "b": "y", "c": "z", "d": "z"}
    merged = joined(groups, [["a", "b"], ["b", "c"]])
    assert len(set(merged.values())) == 1
    assert joined(groups, []) == groups
