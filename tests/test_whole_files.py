"""Files that are there whole or not at all, whatever their names."""

import os

import pytest

from jaxcam.whole_files import whole_file


def test_a_name_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ("n" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    with whole_file(path) as file:
        file.write(b"text")
    assert path.read_bytes() == b"text"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    """The last to finish has it whole; so have processes of one number on two hosts."""
    path = tmp_path / "letter.txt"
    with whole_file(path) as one, whole_file(path) as other:
        assert len(list(tmp_path.iterdir())) == 2
        one.write(b"first")
        other.write(b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_older_file(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"half" * (1 // 0))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
