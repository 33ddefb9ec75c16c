import numpy as np
import pytest

from cssr.sources.images.depth import VALUES, count_values, find_depth, upper_bits

RNG = np.random.default_rng(0)


def depth_of(values):
    return find_depth(count_values(np.asarray(values, np.uint16)))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_values_that_fill_a_depth_get_its_upper_8_bits(bits):
    levels, notes = depth_of(RNG.integers(1, 1 << bits, 10_000))
    assert np.array_equal(levels, upper_bits(bits))
    assert notes == ((f"values fill {bits} of 16 bits; scaled",) if bits < 16 else ())


def test_values_with_an_offset_are_stretched_between_their_ends():
    levels, notes = depth_of(np.append(RNG.integers(29_700, 30_301, 10_000), [3, 64_000]))
    assert np.ptp(levels[29_701:30_300].astype(int)) >= 254
    assert levels[30_000] in (127, 128)
    assert levels[0] == 0
    assert levels[-1] == 255
    assert notes == ("values from 29,700 to 30,300 are scaled from black to white",)


def test_of_few_values_none_gets_two_levels():
    levels, notes = depth_of(RNG.integers(2_997, 3_004, 10_000))
    assert np.array_equal(levels[2_997:3_004], np.arange(125, 132))
    assert notes == ("values from 2,872 to 3,128 are scaled from black to white",)


@pytest.mark.parametrize("value", [1, 255, 900, 30_000, 65_534])
@pytest.mark.parametrize("others", [[], [65_535]])
def test_one_value_alone_is_not_stretched(value, others):
    bits = next(bits for bits in (8, 10, 12, 14, 16) if value < 1 << bits)
    levels, _ = depth_of([value] * 5_000 + others)
    assert np.array_equal(levels, upper_bits(bits))


@pytest.mark.parametrize("values", [[], [0], [65_535], [0, 65_535]])
def test_without_other_values_than_0_and_the_greatest_16_bits_are_taken(values):
    levels, notes = depth_of(values)
    assert np.array_equal(levels, upper_bits(16))
    assert notes == ()


def test_what_is_above_0_stays_so_in_the_upper_bits():
    assert (upper_bits(16)[1:] > 0).all()
    assert upper_bits(16)[0] == 0
    assert len(upper_bits(12)) == VALUES


def test_values_most_of_which_are_dark_are_told():
    values = np.full(1000, 500)
    values[:20] = 60000
    (note,) = depth_of(values).notes
    assert note.startswith("95% of its values are below 501")
