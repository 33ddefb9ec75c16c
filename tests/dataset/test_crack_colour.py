"""`cssr dataset --crack-colour`: what it takes."""

import pytest
from click.testing import CliRunner

from cssr.cli import cli
from cssr.sources.listing import DataError


@pytest.mark.parametrize("colour", ["255", "1,2", "1,2,3,4", "1,2,256", "1,2,-3", "a,b,c", ""])
def test_a_colour_is_three_numbers_up_to_255(colour):
    done = CliRunner().invoke(cli, ["dataset", ".", "--out", "own.zip", "--crack-colour", colour])
    assert done.exit_code == 2
    assert "three numbers up to 255, such as 255,255,255" in done.output


def test_a_value_and_a_colour_are_too_much():
    options = ["--crack-colour", "1,2,3", "--crack-value", "1"]
    done = CliRunner().invoke(cli, ["dataset", ".", "--out", "own.zip", *options])
    assert isinstance(done.exception, DataError)
    assert str(done.exception) == "--crack-value and --crack-colour exclude each other"
