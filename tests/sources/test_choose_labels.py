import pytest

from cssr.sources.annotations.reading import choose_labels
from cssr.sources.annotations.shapes import AnnotationError


@pytest.mark.parametrize(
    ("labels", "wanted", "chosen"),
    [
        ({"spall": 3}, [], {"spall"}),
        ({"spall": 3, "Crack": 2, "hairline cracks": 1}, [], {"Crack", "hairline cracks"}),
        ({"crack": 3, "non-crack": 2, "uncracked": 1, "crack free": 1}, [], {"crack"}),
        ({"crack": 3, "repaired crack": 1, "crack_sealed": 1, "patch": 1}, [], {"crack"}),
        ({"crack": 3, "spall": 2}, ["spall"], {"spall"}),
        ({}, [], set()),
    ],
)
def test_the_labels_that_are_crack_are_chosen(labels, wanted, chosen):
    assert choose_labels(labels, wanted) == chosen


@pytest.mark.parametrize(
    ("labels", "wanted", "line"),
    [
        (
            {"joint": 2, "spall": 3},
            [],
            "several labels: spall 3, joint 2; --label NAME says which are crack",
        ),
        (
            {"sealed crack": 2},
            [],
            "no label says crack: sealed crack 2; --label NAME says which are crack",
        ),
        ({"joint": 2}, ["crack", "riss"], "no label crack, riss; there are: joint 2"),
        ({}, ["crack"], "no label crack; there are: none"),
    ],
)
def test_labels_that_are_not_clear_are_refused_with_those_there(labels, wanted, line):
    with pytest.raises(AnnotationError) as refused:
        choose_labels(labels, wanted)
    assert str(refused.value) == line
