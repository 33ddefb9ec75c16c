import pytest

from cssr.inspection.tiles import cut


@pytest.mark.parametrize("side", [32, 100, 333, 512, 1000])
@pytest.mark.parametrize("tile", [96, 128, 256])
def test_cores_cover_the_side_once(side, tile):
    spans = cut(side, tile=tile, overlap=16, step=16)
    assert [pixel for span in spans for pixel in range(span.core_start, span.core_stop)] == list(
        range(side)
    )


def test_spans_reach_over_their_cuts_and_end_at_the_border():
    spans = cut(300, tile=132, overlap=16, step=4)
    assert [(span.start, span.stop) for span in spans] == [(0, 116), (84, 216), (184, 300)]
    assert [span.margins() for span in spans] == [(0, 16), (16, 16), (16, 0)]


def test_no_span_is_longer_than_a_tile_and_cuts_lie_at_steps():
    for span in cut(5000, tile=512, overlap=40, step=64):
        assert span.stop - span.start <= 512
        assert span.core_start % 64 == 0


def test_a_side_within_a_tile_is_not_cut():
    assert cut(96, tile=96, overlap=40, step=64) == [(0, 96, 0, 96)]


def test_a_tile_too_small_for_its_overlap_is_refused():
    with pytest.raises(ValueError, match=r"a tile of 90 px is too small: .* 96 px or more"):
        cut(200, tile=90, overlap=40, step=16)
