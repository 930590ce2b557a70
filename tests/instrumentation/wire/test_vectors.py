"""Every vector, straight through the parsers."""

import pytest

from support.vectors import Case, body_bytes, cases, check_expected
from support.wire import read, request, seen

CASES = cases(without=["websocket"])
LEVEL_BELOW = {"retry_count"}
"""What the parsers do not see: the number of an SDK's retry stands in the request's headers."""


def exchange(case: Case, size: int | None):
    asked = request(
        case.request["method"], case.request["url"], case.request_body or None, case.request["headers"]
    )
    response = case.response
    return read(
        asked, body_bytes(response), status=response["status"], headers=response["headers"], size=size
    )


@pytest.mark.parametrize("size", [None, 1, 7, 64, 1021])
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_vector_reads_as_expected_in_pieces_of_any_size(case, size):
    readings = exchange(case, size)
    below = {key: value for key, value in case.expected.items() if key not in LEVEL_BELOW}
    level = Case(case.id, case.provider, case.operation, case.request, case.response, below)
    assert check_expected(level, seen(readings)) == []
    assert {reading.operation for reading in readings} == {case.operation}


@pytest.mark.parametrize("case", [case for case in CASES if "streaming" in case.expected], ids=lambda c: c.id)
def test_a_streamed_answer_is_read_as_streamed(case):
    assert [reading.stream for reading in exchange(case, 50)] == [case.expected["streaming"]]
