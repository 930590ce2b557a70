"""A file that is not what is allowed is refused: every place by line, what was found, what is allowed, what next.

`refused/NAME.yaml` is the file, `refused/NAME.txt` what the operator reads.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_billing.clients.reading import read, read_file
from spanledger_billing.errors import InvalidInputError

CASES = sorted((Path(__file__).parent / "refused").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_operator_reads(case):
    with pytest.raises(InvalidInputError) as refused:
        read(case.read_bytes(), "clients.yaml")
    assert f"{refused.value}\n" == case.with_suffix(".txt").read_text()


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidInputError) as refused:
        read_file(tmp_path / "clients.yaml")
    assert "cannot be read: No such file or directory" in str(refused.value)


def test_a_logo_that_is_not_there_or_no_picture_is_refused_by_its_line(tmp_path):
    path = tmp_path / "clients.yaml"
    path.write_text("agency:\n  name: Meridian\n  logo: pictures/logo.svg\nclients: []\n")
    with pytest.raises(InvalidInputError) as refused:
        read_file(path)
    assert f"{path}:3: there is no picture" in str(refused.value)
    (tmp_path / "pictures").mkdir()
    logo = tmp_path / "pictures" / "logo.svg"
    logo.write_text("<svg/>")
    assert read_file(path)[0].agency.logo == str(logo)
    path.write_text("agency: {name: Meridian, logo: clients.yaml}\nclients: []\n")
    with pytest.raises(InvalidInputError) as refused:
        read_file(path)
    assert "allowed: a file that ends with .png, .jpg" in str(refused.value)
