"""What waits for what: nothing holds up inserts."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from support.endpoint import Endpoint
from support.gate import Gate, closed_gate
from support.waiting import wait_for


def _run(endpoint: Endpoint, sql: str) -> Any:
    client = endpoint.client(autogenerate_session_id=False)
    try:
        return client.command(sql)
    finally:
        client.close()


def _occupy(
    pool: ThreadPoolExecutor, endpoint: Endpoint, gate: Gate, sql: str, times: int
) -> list[Future[Any]]:
    """That many statements which run until the gate opens."""
    before = gate.waiting
    source = f"url('{gate.url}', 'CSV', 'n UInt8')"
    running = [pool.submit(_run, endpoint, sql.format(source=source, gate=gate.url)) for _ in range(times)]
    wait_for(lambda: gate.waiting >= before + times, f"{times} statements to run")
    return running


def test_neither_slow_queries_nor_slow_writes_hold_up_an_insert(
    endpoint: Endpoint, client: Any, table: str
) -> None:
    """As many of each as may run at once; the DESCRIBE before the insert passes by them too."""
    with closed_gate() as gate, ThreadPoolExecutor(6) as pool:
        slow = _occupy(pool, endpoint, gate, "SELECT sum(n) FROM {source}", 4)
        write = f"INSERT INTO {table} (id) SELECT n FROM {{source}}"
        slow += _occupy(pool, endpoint, gate, write, 2)
        inserted = client.insert(table, [[7, "passes by"]], column_names=["id", "text"])
        assert inserted.written_rows == 1
        assert [future.done() for future in slow] == [False] * 6
        gate.open()
        assert [future.result() for future in slow[:4]] == [1] * 4
    assert client.query(f"SELECT id FROM {table} ORDER BY id").result_rows == [(1,), (1,), (7,)]


def test_slow_questions_about_the_server_do_not_hold_up_an_insert_either(
    endpoint: Endpoint, client: Any, table: str
) -> None:
    with closed_gate() as gate, ThreadPoolExecutor(2) as pool:
        slow = _occupy(pool, endpoint, gate, "DESCRIBE TABLE url('{gate}', 'CSVWithNames')", 2)
        assert client.insert(table, [[7, ""]], column_names=["id", "text"]).written_rows == 1
        assert [future.done() for future in slow] == [False] * 2
        gate.open()


def test_a_query_beyond_those_that_may_run_waits_for_its_turn(endpoint: Endpoint) -> None:
    with closed_gate() as gate, ThreadPoolExecutor(5) as pool:
        slow = _occupy(pool, endpoint, gate, "SELECT sum(n) FROM {source}", 4)
        fifth = pool.submit(_run, endpoint, "SELECT 42 FROM numbers(1)")
        assert not any(future.done() for future in [*slow, fifth])
        gate.open()
        assert fifth.result() == 42


def test_inserts_side_by_side_are_all_stored(endpoint: Endpoint, client: Any, table: str) -> None:
    def insert(number: int) -> int:
        one = endpoint.client()
        try:
            rows = [[number * 1000 + row, ""] for row in range(1000)]
            return one.insert(table, rows, column_names=["id", "text"]).written_rows
        finally:
            one.close()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(insert, range(24))) == [1000] * 24
    assert client.query(f"SELECT count(), uniqExact(id) FROM {table}").result_rows == [(24_000, 24_000)]
