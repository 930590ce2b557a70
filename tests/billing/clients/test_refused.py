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
