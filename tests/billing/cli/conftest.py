"""The command line against a ledger of its own, on the real endpoint."""

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from spanledger_billing import cli, ledger, up
from spanledger_billing.prices.sync import sync

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def environment(request: pytest.FixtureRequest, stack: up.Stack) -> Iterator[dict[str, str]]:
    """Variables that name a database of the test module's own, with schema and prices."""
    database = request.module.__name__.rpartition(".")[2]
    named = {"SPANLEDGER_DATA": str(stack.data), "SPANLEDGER_DATABASE": database, "COLUMNS": "120"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in named.items():
            patch.setenv(name, value)
        made = CliRunner().invoke(cli.app, ["migrate"])
        assert made.exit_code == 0, made.output
        yield named


@pytest.fixture(scope="module")
def connection(environment: dict[str, str]) -> Iterator[object]:
    with ledger.connect() as client:
        sync(client)
        yield client


@pytest.fixture
def invoke(environment: dict[str, str]) -> Invoke:
    def run(*arguments: str, **variables: str) -> Result:
        return CliRunner().invoke(cli.app, list(arguments), env=variables)

    return run
