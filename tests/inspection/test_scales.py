import pytest

from cssr.inspection.scales import class_notes


@pytest.mark.parametrize("classes", [[0.1, 0.3, 0.5], [0.5, 0.6, 1], [0.1]])
def test_the_narrowest_class_may_be_the_lowest(classes):
    (note,) = class_notes(classes, 0.125)
    assert note.startswith("its narrowest class of width, 0.1 mm, is below 2 px of the results")


@pytest.mark.parametrize(("classes", "size"), [([0.1, 0.3], 0.05), ([], 1), ([0.1], None)])
def test_classes_of_two_px_and_px_alone_need_no_note(classes, size):
    assert class_notes(classes, size) == ()
