"""`spanledger usage`: rows, totals and what they leave out, in each of its formats."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spanledger_billing.cli.usage import print_table
from spanledger_billing.errors import InvalidInputError
from spanledger_billing.usage import Measures, Row, Usage, checked_by, checked_month, current_month
from support.spans import deliver, span

# In the month before this one, so that no call is in the future and all are in one month.
FIRST = (
    datetime.now(UTC).replace(day=1, hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
).replace(day=1)
MONTH = f"{FIRST:%Y-%m}"
SECOND = FIRST + timedelta(days=1)

FORMULA = '=HYPERLINK("http://evil","x")'


@pytest.fixture(scope="module", autouse=True)
def calls(connection):
    """Seven calls. gpt-4o costs USD 2.50 per million tokens in, 1.25 from the cache and 10 out."""
    deliver(
        connection,
        [
            # 800 * 2.50 + 200 * 1.25 + 100 * 10 = 3,250 millionths
            span(
                {"input": 1000, "cache_read": 200, "output": 100},
                at=FIRST,
                extra={"spanledger.label.feature": "chat"},
            ),
            # 1,000 * 2.50 + 100 * 10 = 3,500 millionths
            span(at=SECOND, project="seo"),
            span(at=SECOND, usage_complete="false"),
            span(at=FIRST, client_id="globex", response_model="gpt-99-nova", request_model="gpt-99-nova"),
            span({}, at=FIRST, client_id="globex", usage_found="false"),
            span(at=FIRST, client_id=""),
            span(at=FIRST, client_id=FORMULA),
            span(at=FIRST, client_id="acme", billable="no"),
        ],
    )


def as_json(answer) -> dict:
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def rows_by(invoke, by: str, *keys: str) -> dict:
    found = as_json(invoke("usage", "--month", MONTH, "--by", by, "--format", "json"))
    return {tuple(row[key] for key in keys or by.split(",")): row for row in found["rows"]}


def test_each_client_has_a_row_with_its_calls_and_the_exact_cost(invoke):
    rows = rows_by(invoke, "client")

    assert {keys[0]: (row["calls"], row["cost_usd"]) for keys, row in rows.items()} == {
        "acme": (3, "0.01025"),
        "globex": (2, None),
        FORMULA: (1, "0.0035"),
        None: (1, "0.0035"),
    }


def test_calls_that_do_not_bill_are_in_no_row(invoke):
    assert as_json(invoke("usage", "--month", MONTH, "--format", "json"))["total"]["calls"] == 7


def test_what_has_no_price_stands_beside_the_total_with_its_reason_and_its_tokens(invoke):
    total = as_json(invoke("usage", "--month", MONTH, "--format", "json"))["total"]

    assert total["unpriced"] == {
        "calls": 1,
        "reasons": {"model unknown: gpt-99-nova": 1},
        "units": {"input": "1000", "output": "100"},
    }


def test_missing_and_cut_usage_stands_beside_the_total_with_its_reasons(invoke):
    total = as_json(invoke("usage", "--month", MONTH, "--format", "json"))["total"]

    assert total["incomplete"] == {"calls": 2, "reasons": {"cut short": 1, "usage missing": 1}}


@pytest.mark.parametrize(
    "by", ["client", "client,model", "day", "provider", "project", "label:feature", "client,unit"]
)
def test_the_rows_add_up_to_the_total_whatever_they_are_broken_down_by(invoke, by):
    found = as_json(invoke("usage", "--month", MONTH, "--by", by, "--format", "json"))

    known = [Decimal(row["cost_usd"]) for row in found["rows"] if row["cost_usd"] is not None]
    assert sum(known) == Decimal(found["total"]["cost_usd"]) == Decimal("0.01725")


def test_by_unit_each_kind_of_token_has_its_quantity_and_its_cost(invoke):
    rows = rows_by(invoke, "client,unit")

    assert [
        (rows["acme", unit]["quantity"], rows["acme", unit]["cost_usd"])
        for unit in ("input", "cache_read", "output")
    ] == [
        ("2800", "0.007"),
        ("200", "0.00025"),
        ("300", "0.003"),
    ]


def test_by_unit_a_quantity_without_a_price_has_no_cost_rather_than_none_to_pay(invoke):
    row = rows_by(invoke, "client,unit")["globex", "input"]

    assert (row["quantity"], row["cost_usd"], row["unpriced_quantity"]) == ("1000", None, "1000")


def test_by_day_and_label_and_project_the_calls_stand_where_they_belong(invoke):
    rows = rows_by(invoke, "day,label:feature,project")

    assert {keys: row["calls"] for keys, row in rows.items()} == {
        (f"{FIRST:%Y-%m-%d}", "chat", None): 1,
        (f"{FIRST:%Y-%m-%d}", None, None): 4,
        (f"{SECOND:%Y-%m-%d}", None, "seo"): 1,
        (f"{SECOND:%Y-%m-%d}", None, None): 1,
    }


def test_one_client_alone_can_be_asked_for(invoke):
    found = as_json(
        invoke("usage", "--month", MONTH, "--client", "acme", "--by", "client", "--format", "json")
    )

    assert [row["client"] for row in found["rows"]] == ["acme"]
    assert found["total"]["cost_usd"] == "0.01025"


def test_the_empty_client_asks_for_the_calls_that_name_nobody(invoke):
    found = as_json(invoke("usage", "--month", MONTH, "--client", "", "--format", "json"))

    assert found["total"]["calls"] == 1


@pytest.mark.parametrize("hostile", ["x' OR 1=1 --", "acme\\", "{month:String}", "%(x)s"])
def test_what_is_asked_for_is_never_part_of_the_query(invoke, hostile):
    by_client = as_json(invoke("usage", "--month", MONTH, "--client", hostile, "--format", "json"))
    by_label = as_json(invoke("usage", "--month", MONTH, "--by", f"label:{hostile}", "--format", "json"))

    assert by_client["rows"] == []
    assert [row[f"label:{hostile}"] for row in by_label["rows"]] == [None]


def test_csv_has_a_header_and_a_row_a_client_and_no_total(invoke):
    answer = invoke("usage", "--month", MONTH, "--format", "csv")

    rows = list(csv.DictReader(io.StringIO(answer.stdout)))
    assert {row["client"]: row["cost_usd"] for row in rows} == {
        "acme": "0.01025",
        "globex": "",
        f"'{FORMULA}": "0.0035",
        "(unattributed)": "0.0035",
    }
    assert rows[0].keys() == {
        "client", "calls", "input_tokens", "output_tokens", "cost_usd", "unpriced_calls", "unpriced_tokens",
        "incomplete_calls",
    }  # fmt: skip


def test_no_csv_cell_begins_like_a_formula(invoke):
    answer = invoke("usage", "--month", MONTH, "--by", "client,label:=x,unit", "--format", "csv")

    cells = [cell for row in csv.reader(io.StringIO(answer.stdout)) for cell in row]
    assert [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell] == []


def test_the_table_shows_the_unattributed_and_the_total_and_says_what_is_left_out(invoke):
    lines = invoke("usage", "--month", MONTH).stdout.splitlines()

    squeezed = [re.sub(r" {2,}", "  ", line.strip()) for line in lines]
    assert "client  calls  input  output  cost USD  unpriced  incomplete" in squeezed
    assert "acme  3  3,000  300  0.01025  1" in squeezed
    assert "globex  2  1,000  100  -  1  1" in squeezed
    assert "(unattributed)  1  1,000  100  0.00350" in squeezed
    assert "total  7  6,000  600  0.01725  1  2" in squeezed
    assert f"{MONTH}: 7 calls" in squeezed
    assert "unpriced, so not in the cost: 1 call (model unknown: gpt-99-nova 1); 1,100 tokens" in squeezed
    assert "incomplete, so the cost is a lower bound: 2 calls (cut short 1, usage missing 1)" in squeezed


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_cuts_no_figure_at_usual_widths(invoke, width):
    lines = invoke(
        "usage", "--month", MONTH, "--by", "client,model,day", COLUMNS=str(width)
    ).stdout.splitlines()

    total = next(line for line in lines if line.strip().startswith("total"))
    assert total.split() == ["total", "7", "6,000", "600", "0.01725", "1", "2"]
    assert max(map(len, lines[: lines.index(total)])) <= width


def test_a_name_from_a_span_cannot_speak_to_the_terminal(capsys):
    from spanledger_billing.cli import output

    name = "\x1b]0;owned\x07[red]x[/red]"
    print_table(Usage("2026-10", ("client",), (Row((name,), Measures(calls=1)),)), output.console())

    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert "[red]x[/red]" in printed


def test_a_month_without_calls_ends_well_and_names_the_months_that_have_some(invoke):
    answer = invoke("usage", "--month", "2024-02")

    assert answer.exit_code == 0
    assert answer.stdout == ""
    assert answer.stderr == f"no calls in 2024-02\nmonths with calls: {MONTH}\n"


def test_an_empty_month_is_valid_json_with_a_total_of_nothing(invoke):
    found = as_json(invoke("usage", "--month", "2024-02", "--format", "json"))

    assert found["rows"] == []
    assert (found["total"]["calls"], found["total"]["cost_usd"]) == (0, "0")


@pytest.mark.parametrize(
    "month", ["2026-13", "2026-1", "october", "2026-10-01", "\N{FULLWIDTH DIGIT TWO}026-10"]
)
def test_a_month_not_written_as_one_is_refused_with_what_is_allowed(month):
    with pytest.raises(InvalidInputError, match=r"allowed: a month as YYYY-MM\nnext: "):
        checked_month(month)


@pytest.mark.parametrize("by", ["colour", "client,", "label:", "client,client", "Client"])
def test_a_word_that_usage_cannot_be_broken_down_by_is_refused_with_those_that_are_allowed(by):
    with pytest.raises(
        InvalidInputError, match="allowed: client, project, provider, model, day, unit and label:KEY"
    ):
        checked_by(by)


def test_the_current_month_is_the_agencys(monkeypatch):
    monkeypatch.setenv("SPANLEDGER_TIMEZONE", "Pacific/Kiritimati")

    assert current_month() == f"{datetime.now(UTC) + timedelta(hours=14):%Y-%m}"


def test_costs_add_up_with_all_their_digits():
    large, small = Decimal("99999999999999999999.999999999999999999"), Decimal("0.000000000000000001")

    assert (Measures(cost_usd=large) + Measures(cost_usd=small)).cost_usd == Decimal(10) ** 20


def test_a_cost_that_is_not_known_leaves_the_known_one_as_it_is():
    unknown = Measures(cost_usd=None)

    assert (unknown + Measures(cost_usd=Decimal(1))).cost_usd == Decimal(1)
    assert (unknown + unknown).cost_usd is None


@pytest.mark.parametrize(
    ("arguments", "variables", "code"),
    [
        (["--month", MONTH], {}, 0),
        (["--month", "2026-13"], {}, 2),
        (["--by", "colour"], {}, 2),
        (["--data", "nothing-runs-here"], {}, 3),
        ([], {"SPANLEDGER_CLICKHOUSE_URL": "http://127.0.0.1:1"}, 3),
        ([], {"SPANLEDGER_TIMEZONE": "Mars/Olympus"}, 2),
    ],
)
def test_the_process_ends_with_the_documented_code(environment, arguments, variables, code):
    done = subprocess.run(
        [sys.executable, "-m", "spanledger_billing.cli", "usage", *arguments],
        env={**os.environ, **environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
