"""A share in Grafana: an organisation whose one data source is the client's own, there once however often it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from spanledger_billing.cli import app
from spanledger_billing.errors import InvalidInputError, OperatorError, UnreachableError
from spanledger_billing.grafana import organisations
from spanledger_billing.grafana.sharing import Share
from support import fake_grafana

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEDGER = "http://clickhouse:8123"


def of(client: str, *, with_cost: bool = False, password: str = "drawn-for-the-share") -> Share:
    name = f"share_{client}_0"
    return Share(client, client.title(), with_cost, name, name, password)


@pytest.fixture
def fake() -> Iterator[fake_grafana.Grafana]:
    with fake_grafana.running() as started:
        yield started


@pytest.fixture
def grafana(fake: fake_grafana.Grafana) -> organisations.Grafana:
    return organisations.Grafana(fake.url, "admin", fake_grafana.PASSWORD)


def test_the_organisation_has_one_data_source_which_is_the_clients_and_shows_its_dashboard_first(
    fake, grafana
):
    path = organisations.publish(grafana, of("acme"), LEDGER)

    made = fake.organisations[2]
    assert made.name == "spanledger: acme"
    assert made.data_sources.keys() == {"clickhouse"}
    connected = made.data_sources["clickhouse"]
    assert connected["jsonData"]["username"] == connected["jsonData"]["defaultDatabase"] == "share_acme_0"
    assert (connected["jsonData"]["host"], connected["jsonData"]["port"]) == ("clickhouse", 8123)
    assert connected["jsonData"]["secure"] is False
    assert connected["jsonData"]["enableRowLimit"] is False
    assert connected["secureJsonData"] == {"password": "drawn-for-the-share"}
    assert made.dashboards.keys() == {"spanledger-share"}
    assert made.preferences == {"homeDashboardUID": "spanledger-share"}
    assert path == "/d/spanledger-share/usage?orgId=2"


def test_shared_again_there_is_one_organisation_with_the_new_password_and_what_the_client_may_see_now(
    fake, grafana
):
    organisations.publish(grafana, of("acme", with_cost=True), LEDGER)
    organisations.publish(grafana, of("acme", with_cost=False, password="drawn-anew"), LEDGER)

    assert [each.name for each in fake.organisations.values()] == ["Main Org.", "spanledger: acme"]
    made = fake.organisations[2]
    assert made.data_sources["clickhouse"]["secureJsonData"] == {"password": "drawn-anew"}
    assert len(made.dashboards) == 1
    assert '"Cost"' not in str(made.dashboards["spanledger-share"]).replace("'", '"')


def test_organisations_of_clients_whose_ids_contain_each_other_are_told_apart(fake, grafana):
    for client in ("acme", "acme/eu", "ACME", "acme?x=1&perpage=0"):
        organisations.publish(grafana, of(client), LEDGER)

    assert organisations.withdraw(grafana, "acme") is True
    assert [each.name for each in fake.organisations.values()] == [
        "Main Org.",
        "spanledger: acme/eu",
        "spanledger: ACME",
        "spanledger: acme?x=1&perpage=0",
    ]
    assert organisations.withdraw(grafana, "acme") is False


def test_a_ledger_behind_tls_is_reached_by_tls(fake, grafana):
    organisations.publish(grafana, of("acme"), "https://ledger.example")

    settings = fake.organisations[2].data_sources["clickhouse"]["jsonData"]
    assert (settings["host"], settings["port"], settings["secure"]) == ("ledger.example", 8443, True)


def test_a_data_source_that_does_not_work_is_said(fake, grafana):
    fake.healthy = False

    with pytest.raises(
        OperatorError, match="Grafana cannot read the client's views: dial tcp: connection refused"
    ):
        organisations.publish(grafana, of("acme"), LEDGER)


def test_a_wrong_password_is_said_and_not_repeated(fake):
    with pytest.raises(UnreachableError, match="refuses user 'admin' with this password") as refused:
        organisations.publish(
            organisations.Grafana(fake.url, "admin", "not-the-password"), of("acme"), LEDGER
        )

    assert "not-the-password" not in str(refused.value)


def test_where_no_grafana_answers_the_next_step_is_said():
    with pytest.raises(
        UnreachableError, match=r"no Grafana answers at http://127\.0\.0\.1:9\nnext: start it, or set"
    ):
        organisations.withdraw(organisations.Grafana("http://127.0.0.1:9", "admin", "x"), "acme")


def test_the_environment_names_grafana_and_its_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "password").write_text("of-a-file\n")
    for name in ("API", "URL", "ADMIN_USER", "ADMIN_PASSWORD", "ADMIN_PASSWORD_FILE"):
        monkeypatch.delenv(f"SPANLEDGER_GRAFANA_{name}", raising=False)
    with pytest.raises(InvalidInputError, match="the password of Grafana's administrator is not set"):
        organisations.by_environment()

    monkeypatch.setenv("SPANLEDGER_GRAFANA_ADMIN_PASSWORD_FILE", str(tmp_path / "password"))
    assert organisations.by_environment() == organisations.Grafana(
        "http://127.0.0.1:3000", "admin", "of-a-file"
    )

    monkeypatch.setenv("SPANLEDGER_GRAFANA_URL", "https://grafana.example")
    assert organisations.by_environment().url == "https://grafana.example"

    monkeypatch.setenv("SPANLEDGER_GRAFANA_API", "grafana:3000")
    with pytest.raises(InvalidInputError, match="SPANLEDGER_GRAFANA_API is not the address of a Grafana"):
        organisations.by_environment()


@pytest.mark.parametrize("command", ["share", "unshare"])
def test_the_embedded_ledger_is_not_shared_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
):
    """Its reader may read every client."""
    (tmp_path / "endpoint.json").write_text('{"clickhouse_url": "http://127.0.0.1:9", "user": "spanledger"}')
    monkeypatch.setenv("SPANLEDGER_DATA", str(tmp_path))
    monkeypatch.delenv("SPANLEDGER_CLICKHOUSE_URL", raising=False)

    done = CliRunner().invoke(app, ["grafana", command, "acme"])

    assert done.exit_code == 4, done.stderr
    assert "this ledger is the embedded one, which has no users" in done.stderr
