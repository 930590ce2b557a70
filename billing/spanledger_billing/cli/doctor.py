"""`spanledger doctor`: is everything well, and if not, what to do."""

from typing import Annotated, Any

import typer
from rich.text import Text

from spanledger_billing.cli import output
from spanledger_billing.cli.options import DataFolder


def doctor(
    *,
    format_: Annotated[
        output.TableOrJson, typer.Option("--format", help="How to write it.")
    ] = output.TableOrJson.TABLE,
    patience: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the probe span.")
    ] = 15,
    data: DataFolder = None,
) -> None:
    """Check every component, and count the calls that are not whole.

    It sends a span through the whole pipeline and waits for it in the ledger; that span does not bill.
    Ends with 0 if all is well, 1 if there is a problem, 3 if a component cannot be reached.
    """
    from spanledger_billing import ledger
    from spanledger_billing.doctor import Check, Places, examine, exit_code

    checks: list[Check] = []
    with output.console(stderr=True).status("examining") as status:
        for check in examine(lambda: ledger.connect(data), Places(data), patience=patience):
            checks.append(check)
            status.update(f"{check.component}: {check.subject}")

    if format_ is output.TableOrJson.JSON:
        typer.echo(
            output.json_text({"exit_code": exit_code(checks), "checks": [_as_json(c) for c in checks]})
        )
    else:
        _print(checks)
    raise typer.Exit(exit_code(checks))


def _as_json(check: Any) -> dict[str, str]:
    return {
        "component": check.component,
        "check": check.subject,
        "state": str(check.state),
        "found": check.found,
        "next_step": check.next_step,
    }


def _print(checks: list[Any]) -> None:
    """One line a check, and under each that is not well its next step."""
    console = output.console()
    for check in checks:
        what = f"{check.component} {check.subject}"
        line = Text(f"{check.state:<12} {what:<22} {check.found}", style=_STYLES.get(check.state, ""))
        console.print(line, soft_wrap=True)
        if check.next_step:
            console.print(f"{'':<12} next: {check.next_step}", soft_wrap=True)


_STYLES = {"problem": "yellow", "unreachable": "red"}
