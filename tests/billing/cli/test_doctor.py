"""`spanledger doctor`: what it says of a pipeline that is well, of one that is not, and of calls that are not whole."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from spanledger_billing import cli, ledger, up
from spanledger_billing.doctor import collector
from spanledger_billing.doctor.collector import Metrics
from spanledger_billing.doctor.report import Check, State, address, exit_code
from spanledger_billing.prices.sync import sync
from support.spans import deliver, span
from support.stack import DataFolder

Checks = dict[tuple[str, str], dict[str, str]]


def examined(*arguments: str, **variables: str | None) -> tuple[int, Checks]:
    answer = CliRunner().invoke(cli.app, ["doctor", "--format", "json", *arguments], env=variables)
    found = json.loads(answer.stdout)
    assert found["exit_code"] == answer.exit_code
    return answer.exit_code, {(check["component"], check["check"]): check for check in found["checks"]}


@dataclass
class Story:
    """A pipeline that is well, then without its collector, then without its ledger; examined each time."""

    well: tuple[int, Checks]
    calls: list[tuple[object, ...]]
    without_collector: tuple[int, Checks]
    without_ledger: tuple[int, Checks]
    printed: list[str]
    secrets: list[str]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, data_folder: DataFolder) -> Iterator[Story]:
    with (
        up.start(data_folder(tmp_path_factory.mktemp("doctor"))) as stack,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SPANLEDGER_DATA", str(stack.data))
        patch.setenv("SPANLEDGER_TOKEN", "a-secret-token")
        with ledger.connect() as connection:
            sync(connection)
            well = examined()
            calls = connection.query(
                "SELECT operation, billable, bills, cost_usd, reasons FROM calls"
            ).result_rows
        stack.collector.kill9()
        without_collector = examined("--patience", "1")
        stack.collector.restart()
        stack.endpoint.kill9()
        without_ledger = examined("--patience", "1")
        printed = [
            CliRunner().invoke(cli.app, ["doctor", "--patience", "0", *format_]).output
            for format_ in ([], ["--format", "json"])
        ]
        secrets = ["a-secret-token", (stack.data / "password").read_text().strip()]
        yield Story(well, calls, without_collector, without_ledger, printed, secrets)


def test_a_pipeline_that_is_well_passes_every_check_and_ends_with_0(story):
    code, checks = story.well

    assert {key: check["found"] for key, check in checks.items() if check["state"] != "ok"} == {}
    assert code == 0
    assert set(checks) == {
        ("spanledger", "version"),
        ("apps", "outbox"),
        ("collector", "reachable"),
        ("collector", "queue"),
        ("collector", "failed sends"),
        ("collector", "intake"),
        ("alerts", "Slack"),
        ("ledger", "reachable"),
        ("ledger", "schema"),
        ("ledger", "clock"),
        ("pipeline", "probe"),
        ("prices", "list"),
        ("calls", "lag"),
        ("calls", "unparsed"),
        ("calls", "unpriced"),
        ("calls", "unattributed"),
        ("calls", "incomplete"),
        ("calls", "sender_refusals"),
        ("calls", "duplicates"),
        ("roll-up", "lag"),
        ("roll-up", "drift"),
    }


def test_the_probe_reaches_the_ledger_and_counts_toward_nothing(story):
    assert story.calls == [("probe", "no", False, None, [])]


def test_a_dead_collector_is_unreachable_with_the_next_step_and_ends_with_3(story):
    code, checks = story.without_collector

    assert code == 3
    assert checks["collector", "reachable"]["state"] == "unreachable"
    assert checks["collector", "reachable"]["next_step"].startswith("start it with spanledger up")
    assert checks["pipeline", "probe"]["state"] == "unreachable"
    assert checks["ledger", "reachable"]["state"] == "ok"


def test_a_dead_ledger_leaves_the_collector_examined_and_ends_with_3(story):
    code, checks = story.without_ledger

    assert code == 3
    assert checks["ledger", "reachable"]["state"] == "unreachable"
    assert checks["ledger", "reachable"]["next_step"] != ""
    assert checks["collector", "reachable"]["state"] == "ok"
    assert checks["pipeline", "probe"]["state"] == "not checked"


def test_nothing_that_doctor_prints_holds_a_secret(story):
    texts = [
        *story.printed,
        json.dumps([check for _, checks in (story.well, story.without_ledger) for check in checks.values()]),
    ]

    assert all("collector" in text for text in texts)
    assert [secret for secret in story.secrets if any(secret in text for text in texts)] == []


def test_calls_that_are_not_whole_are_each_counted_with_a_next_step_and_end_with_1(stack, monkeypatch):
    monkeypatch.setenv("SPANLEDGER_DATA", str(stack.data))
    monkeypatch.setenv("SPANLEDGER_DATABASE", "doctor_not_whole")
    assert CliRunner().invoke(cli.app, ["migrate"]).exit_code == 0
    with ledger.connect() as connection:
        sync(connection)
        first = [span(response_model="gpt-99-nova", request_model="gpt-99-nova"), span(client_id="")]
        deliver(connection, first)
        deliver(connection, [span({"input": "many"}), span(usage_complete="false"), first[0]])

    code, checks = examined("--patience", "0")

    counted = {
        view: checks["calls", view]["found"].partition(" calls")[0]
        for view in ("unparsed", "unpriced", "unattributed", "incomplete")
    }
    assert counted == {"unparsed": "1", "unpriced": "1", "unattributed": "1", "incomplete": "2"}
    assert checks["calls", "duplicates"]["found"].startswith("1 of 5 arrivals were repeats; 4 calls")
    assert all(check["next_step"] for check in checks.values() if check["state"] == "problem")
    assert code == 1


def test_an_empty_database_and_a_missing_price_list_are_problems_that_name_their_command(stack, monkeypatch):
    monkeypatch.setenv("SPANLEDGER_DATA", str(stack.data))
    monkeypatch.setenv("SPANLEDGER_DATABASE", "doctor_unpriced")
    with ledger.open_server(ledger.address()) as server:
        server.command("CREATE DATABASE IF NOT EXISTS doctor_unpriced")
    _, empty = examined("--patience", "0")
    assert CliRunner().invoke(cli.app, ["migrate"]).exit_code == 0
    code, unpriced = examined("--patience", "0")

    assert (empty["ledger", "schema"]["state"], empty["ledger", "schema"]["next_step"]) == (
        "problem",
        "spanledger migrate",
    )
    assert (unpriced["prices", "list"]["state"], unpriced["prices", "list"]["next_step"]) == (
        "problem",
        "spanledger prices sync",
    )
    assert code == 1


def test_a_probe_that_does_not_come_through_is_a_problem(stack, monkeypatch):
    monkeypatch.setenv("SPANLEDGER_DATA", str(stack.data))
    # The collector writes to another database than the one that is asked.
    monkeypatch.setenv("SPANLEDGER_DATABASE", "doctor_elsewhere")
    assert CliRunner().invoke(cli.app, ["migrate"]).exit_code == 0

    code, checks = examined("--patience", "0.2")

    assert code == 1
    assert checks["pipeline", "probe"]["state"] == "problem"


class Unwilling(http.server.BaseHTTPRequestHandler):
    """A collector that knows no token of ours."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def unwilling() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unwilling) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_collector_that_does_not_know_the_token_is_unreachable_and_the_token_is_named_as_the_reason(
    stack, monkeypatch, unwilling
):
    monkeypatch.setenv("SPANLEDGER_DATA", str(stack.data))

    code, checks = examined(SPANLEDGER_ENDPOINT=unwilling)

    assert code == 3
    assert "HTTP 401; check SPANLEDGER_TOKEN" in checks["pipeline", "probe"]["found"]


def test_a_variable_with_a_value_that_is_not_taken_is_a_problem(stack, monkeypatch):
    monkeypatch.setenv("SPANLEDGER_DATA", str(stack.data))
    monkeypatch.setenv("SPANLEDGER_TRUST_BAGGAGE", "perhaps")

    _, checks = examined("--patience", "0")

    assert checks["settings", "variables"]["state"] == "problem"


def test_the_table_has_a_line_for_each_check_and_one_for_its_next_step(stack, monkeypatch):
    monkeypatch.setenv("SPANLEDGER_DATA", str(stack.data))
    monkeypatch.setenv("SPANLEDGER_METRICS_URL", "http://127.0.0.1:1/metrics")

    # With a data folder named, what runs there comes first; by variable, the variable does.
    lines = CliRunner().invoke(cli.app, ["doctor", "--patience", "0"]).stdout.splitlines()

    first = lines.index(next(line for line in lines if line.startswith("unreachable  collector reachable")))
    assert lines[first + 1].strip().startswith("next: start it with spanledger up")


def test_the_exit_code_is_that_of_the_worst_check():
    def checks(*states: State) -> list[Check]:
        return [Check("a", "b", state, "c") for state in states]

    assert exit_code(checks(State.OK, State.NOT_CHECKED)) == 0
    assert exit_code(checks(State.OK, State.PROBLEM)) == 1
    assert exit_code(checks(State.PROBLEM, State.UNREACHABLE, State.OK)) == 3


def test_an_address_shows_neither_user_nor_query():
    assert address("https://user:secret@host.example:8443/path?key=secret") == "host.example:8443"


def test_the_collectors_metrics_leave_out_the_debug_exporter_and_take_a_missing_figure_for_none():
    metrics = Metrics.parse(
        'otelcol_exporter_queue_size{data_type="traces",exporter="clickhouse"} 1\n'
        'otelcol_exporter_sent_spans{exporter="clickhouse"} 1.5e+06\n'
        'otelcol_exporter_sent_spans{exporter="debug"} 7\n'
        'target_info{service_name="otelcol-spanledger",service_version="0.161.0"} 1\n'
    )

    assert metrics.version == "0.161.0"
    assert metrics.count("exporter_sent_spans") == 1_500_000
    assert metrics.count("exporter_send_failed_spans") == 0


def figures(accepted: int, under_way: int, size: int = 1000) -> Metrics:
    return Metrics.parse(
        f'otelcol_receiver_accepted_spans{{receiver="otlp"}} {accepted}\n'
        f'otelcol_exporter_in_flight_requests{{exporter="clickhouse"}} {under_way}\n'
        f'otelcol_exporter_queue_size{{exporter="clickhouse"}} {size}\n'
        'otelcol_exporter_queue_capacity{exporter="clickhouse"} 4294967296\n'
    )


@pytest.mark.parametrize(
    ("looks", "problem"),
    [
        ([figures(5, 1), figures(9, 2), figures(9, 0)], ""),
        ([figures(5, 1), figures(9, 2), figures(12, 1, size=0)], ""),
        ([figures(5, 1), figures(5, 0)], "did not empty in 0 s though no more came"),
        ([figures(5, 4), figures(9, 1)], "in 0 s some batch was under way all the time"),
    ],
    ids=[
        "a moment without a batch",
        "an empty queue",
        "nothing comes, nothing goes",
        "one is always under way",
    ],
)
def test_a_queue_that_is_never_without_a_batch_is_a_problem_and_one_that_gets_on_is_not(
    monkeypatch, looks, problem
):
    left = iter(looks)
    last = looks[-1]
    clock = iter(range(100))
    monkeypatch.setattr(collector, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(collector, "WATCHED_SECONDS", 0.4)
    monkeypatch.setattr(collector, "time", SimpleNamespace(monotonic=lambda: next(clock) / 10, sleep=float))
    found = collector._queue(figures(5, 1), lambda: next(left, last))
    assert (found.state is State.PROBLEM, problem in found.found) == (bool(problem), True)
