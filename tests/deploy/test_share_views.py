"""What a shared client's views hold: its own rows and no hidden column, whatever is asked of them.

On the embedded engine, which has no users; that a share's user can read its views and nothing else is shown in
test_server_stack.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing import migrate, rollup
from spanledger_billing.errors import InvalidInputError, OperatorError
from spanledger_billing.grafana import share_views, sharing
from support import dashboard_world
from support.applied import apply
from support.rolled_up import by_hand

if TYPE_CHECKING:
    from collections.abc import Iterator

VIEWS = {view.name: view for view in share_views.VIEWS}
SHARED = Path(__file__).parents[2] / "dashboards" / "share"
COST = ("cost", "margin", "markup", "tiers", "allowance", "rate", "overrides", "content", "accepted")
"""What a column's name holds that tells what the agency pays."""

STRANGE = "o'hara\\' OR 1=1 --`{"
CLIENTS = (
    dashboard_world.CLIENTS
    + f"""
  - id: {json.dumps(STRANGE)}
    name: Strange
    timezone: UTC
    currency: USD
    hide_cost: true
    budget: {{amount: 500, basis: cost}}
    terms:
      - {{from: 2026-01-01, plan: {{markup_percent: 20}}}}
"""
)


@pytest.fixture(scope="module")
def world(engine: Any) -> Iterator[Any]:
    """The dashboards' two months, and a client whose id does what it can."""
    engine.database = "shares"
    migrate.apply(engine, timezone="UTC")
    by_hand(engine)
    dashboard_world.fill(engine)
    apply(engine, CLIENTS)
    dashboard_world.arrive(engine, dashboard_world.call("12.5", client=STRANGE, at="2026-10-09 12:00"))
    rollup.refresh(engine)
    yield engine
    for (name,) in engine.query("SELECT name FROM system.databases WHERE name LIKE 'share%'").result_rows:
        engine.command(f"DROP DATABASE {name} SYNC", use_database=False)


@pytest.fixture
def ledger(world: Any) -> Any:
    world.database = "shares"
    return world


def rows(ledger: Any, sql: str) -> list[tuple[Any, ...]]:
    return sorted(ledger.query(sql).result_rows, key=repr)


def columns(ledger: Any, share: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, column in ledger.query(
        "SELECT table, name FROM system.columns WHERE database = {share:String} ORDER BY table, position",
        parameters={"share": share},
    ).result_rows:
        found.setdefault(table, []).append(column)
    return found


@pytest.mark.parametrize("client", ["acme", "dune", STRANGE])
@pytest.mark.parametrize("with_cost", [True, False], ids=["with cost", "without"])
def test_each_view_holds_the_clients_rows_of_the_contract_and_no_others(
    ledger: Any, client: str, with_cost: bool
):
    share = sharing.make_views(ledger, "shares", client, with_cost=with_cost)

    assert columns(ledger, share).keys() == VIEWS.keys()
    for view, names in columns(ledger, share).items():
        if client == STRANGE:
            # Cost became hidden after the views were made.
            names = [name for name in names if name not in VIEWS[view].costs.split()]
        asked = ", ".join(f"toString({name})" for name in names)
        known = f" AND {VIEWS[view].only}" if VIEWS[view].only else ""
        whole = rows(
            ledger, f"SELECT {asked} FROM shares.{view} WHERE client_id = {share_views.text(client)}{known}"
        )
        seen = rows(ledger, f"SELECT {asked} FROM {share}.{view}")
        if view == "budget_status" and client in {"dune", STRANGE} and (client == STRANGE or not with_cost):
            assert (len(whole) > 0, seen) == (True, []), "a budget on cost tells of cost"
        else:
            assert seen == whole, view


def test_a_view_says_nothing_of_another_client_under_any_condition(ledger: Any):
    share = sharing.make_views(ledger, "shares", "cobalt", with_cost=True)

    for view in VIEWS:
        text = repr(ledger.query(f"SELECT * FROM {share}.{view} WHERE 1 = 1 OR 2 = 2").result_rows)
        assert "acme" not in text.lower()
        assert "O'Hara" not in text
        with pytest.raises(Exception, match="UNKNOWN_IDENTIFIER"):
            ledger.query(f"SELECT shown.client_state FROM {share}.{view}")


def test_where_cost_is_hidden_no_column_has_it_and_asking_for_one_by_name_fails(ledger: Any):
    share = sharing.make_views(ledger, "shares", "acme", with_cost=False)

    found = columns(ledger, share)
    assert [name for names in found.values() for name in names if any(word in name for word in COST)] == []
    for view in ("margins", "billed_lines", "billed_days", "charges", "usage_by_day"):
        for column in (
            VIEWS[view].costs.split()[0],
            f"shown.{VIEWS[view].costs.split()[0]}",
            "costs",
            "unit_costs",
        ):
            with pytest.raises(Exception, match="UNKNOWN_IDENTIFIER"):
                ledger.query(f"SELECT {column} FROM {share}.{view}")


def test_markups_and_allowances_are_never_shown(ledger: Any):
    share = sharing.make_views(ledger, "shares", "acme", with_cost=True)

    words = ("markup", "tiers", "allowance", "overrides", "plan", "content", "hash")
    assert [
        name
        for names in columns(ledger, share).values()
        for name in names
        if any(word in name for word in words)
    ] == []


def test_views_made_with_cost_show_none_from_when_terms_hide_it(ledger: Any):
    share = sharing.make_views(ledger, "shares", "glade", with_cost=True)
    before = rows(ledger, f"SELECT month, charge, cost, margin FROM {share}.margins")
    apply(ledger, CLIENTS.replace("    name: Glade\n", "    name: Glade\n    hide_cost: true\n"))
    try:
        after = rows(ledger, f"SELECT month, charge, cost, margin FROM {share}.margins")
        days = rows(ledger, f"SELECT DISTINCT cost_usd FROM {share}.usage_by_day")
    finally:
        apply(ledger, CLIENTS)

    assert any(cost is not None for _, _, cost, _ in before)
    assert after == [(month, charge, None, None) for month, charge, _, _ in before]
    assert days == [(None,)]


def test_every_view_reads_with_the_rights_of_who_made_it(ledger: Any):
    share = sharing.make_views(ledger, "shares", "acme", with_cost=False)
    texts = dict(
        ledger.query(
            "SELECT name, create_table_query FROM system.tables WHERE database = {share:String}",
            parameters={"share": share},
        ).result_rows
    )

    assert texts.keys() == VIEWS.keys()
    assert [name for name, text in texts.items() if "SQL SECURITY DEFINER" not in text] == []


def test_made_again_a_share_is_the_same_and_what_an_older_release_showed_is_gone(ledger: Any):
    share = sharing.make_views(ledger, "shares", "acme", with_cost=True)
    ledger.command(f"CREATE VIEW {share}.leak AS SELECT * FROM shares.margins", use_database=False)

    assert sharing.make_views(ledger, "shares", "acme", with_cost=False) == share
    assert columns(ledger, share).keys() == VIEWS.keys()
    assert "cost" not in columns(ledger, share)["margins"]


def test_names_of_shares_differ_where_ids_differ_and_are_plain_identifiers():
    ids = ["acme", "ACME", "acme ", "ac.me", "ac/me", STRANGE, "ü" * 64, ""]
    names = {sharing.name_of(client, database) for client in ids for database in ("spanledger", "other")}

    assert len(names) == 2 * len(ids)
    assert all(name.replace("_", "").isalnum() and name.isascii() and len(name) < 64 for name in names)


@pytest.mark.parametrize("client", ["ghost", "nobody", ""])
def test_only_a_client_with_terms_is_shared(ledger: Any, client: str):
    with pytest.raises(
        InvalidInputError, match="has terms in the ledger; allowed: an id that `spanledger clients list`"
    ):
        sharing.share(ledger, "shares", client)


class _Recording:
    """The ledger, with a record in place of whatever makes users, which the embedded engine has not."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.said: list[str] = []

    def query(self, *args: Any, **options: Any) -> Any:
        return self._ledger.query(*args, **options)

    def command(self, text: str, **options: Any) -> Any:
        if "USER" in text or "GRANT" in text:
            self._ledger.query(f"EXPLAIN AST {text}")
            self.said.append(text)
            return None
        return self._ledger.command(text, **options)


@pytest.mark.parametrize(
    ("client", "hide", "with_cost"), [("acme", False, True), ("acme", True, False), (STRANGE, False, False)]
)
def test_a_shares_user_is_granted_its_views_alone_and_its_password_is_drawn_each_time(
    ledger: Any, client: str, hide: bool, with_cost: bool
):
    server = _Recording(ledger)

    made = sharing.share(server, "shares", client, hide_cost=hide)  # type: ignore[arg-type]
    again = sharing.share(server, "shares", client, hide_cost=hide)  # type: ignore[arg-type]

    assert made.with_cost is with_cost
    assert [text for text in server.said if text.startswith("GRANT")] == [
        f"GRANT SELECT ON {made.database}.* TO {made.user} WITH REPLACE OPTION"
    ] * 2
    assert all(
        "readonly = 1" in text and "DROP ALL SETTINGS" in text
        for text in server.said
        if text.startswith("ALTER")
    )
    assert made.password != again.password
    assert [text for text in server.said if made.password in text] == []
    assert made.password not in repr(made)


def test_unshared_nothing_is_left_and_a_second_time_is_fine(ledger: Any):
    server = _Recording(ledger)
    share = sharing.share(server, "shares", "acme")  # type: ignore[arg-type]
    server.said.clear()

    assert sharing.unshare(server, "shares", "acme") is True  # type: ignore[arg-type]
    assert server.said == [f"DROP USER IF EXISTS {share.user}"]
    assert rows(ledger, f"SELECT name FROM system.databases WHERE name = '{share.database}'") == []
    assert sharing.unshare(server, "shares", "acme") is False  # type: ignore[arg-type]


def test_who_may_make_no_users_is_told_so(ledger: Any):
    """The embedded engine refuses them in a server's words."""
    with pytest.raises(
        OperatorError, match="may not make databases and users\nnext: set SPANLEDGER_CLICKHOUSE_USER"
    ):
        sharing.share(ledger, "shares", "acme")


@pytest.mark.parametrize(("file", "with_cost"), [("client.json", True), ("client-without-cost.json", False)])
def test_every_query_of_a_shared_dashboard_runs_on_the_views_that_it_is_shared_with(
    ledger: Any, file: str, with_cost: bool
):
    dashboard = json.loads((SHARED / file).read_text())
    queries = [target["rawSql"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [variable["query"]["rawSql"] for variable in dashboard["templating"]["list"]]
    share = sharing.make_views(ledger, "shares", "acme", with_cost=with_cost)
    ledger.database = share

    shown = {}
    for sql in queries:
        filled = sql.replace("${month:singlequote}", "'2026-10'")
        assert "$" not in filled, "no other variable is in a query"
        shown[sql] = ledger.query(filled).result_rows

    assert len(queries) > 8
    (sums,) = [found for sql, found in shown.items() if sql.startswith('SELECT charge AS "Charge"')]
    ((charge, *_),) = sums
    ledger.database = "shares"
    assert (
        charge
        == rows(ledger, "SELECT charge FROM margins WHERE client_id = 'acme' AND month = '2026-10'")[0][0]
    )
    assert ("Cost" in json.dumps(dashboard)) is with_cost


def test_shared_dashboards_are_what_their_source_makes():
    import importlib.util
    import sys

    source = SHARED.parent / "source"
    sys.path.insert(0, str(source))
    try:
        spec = importlib.util.spec_from_file_location("share", source / "share.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert {path: path.read_text() for path in SHARED.glob("*.json")} == module.built(), (
            "run `make dashboards`"
        )
    finally:
        sys.path.remove(str(source))
