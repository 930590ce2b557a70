"""`spanledger demo`: the whole path on one machine, checked against figures that are not ours."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from spanledger_billing.demo.reconcile import Difference, Tally

DEFAULT_FOLDER = "spanledger-demo"

LONGEST_WAIT_S = 90.0
"""For the last spans to pass the collector and reach the ledger."""


def demo(
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder for all data; by default a new one, ./spanledger-demo.", show_default=False
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send to this collector (OTLP/HTTP; its token in SPANLEDGER_TOKEN) and start nothing.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Other seeds give other figures.")] = 7,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="How often each client's jobs are done.")] = 3,
) -> None:
    """Meter a small agency end to end, and check the ledger against the providers' books.

    Starts the collector and an embedded ClickHouse engine, lets an app work for ten clients with the OpenAI,
    Anthropic and Google SDKs against a local fake of the three providers, prints what each client used, and
    compares every unit with what the providers wrote down. Nothing leaves this machine.

    With --to the calls go to a pipeline that runs already. They are compared where the environment names the
    ledger behind it, and stay in it: for a pipeline in production choose another.
    """
    from spanledger_billing import ledger, up
    from spanledger_billing import usage as measured
    from spanledger_billing.cli import output
    from spanledger_billing.cli.usage import print_table
    from spanledger_billing.demo import day, reconcile, terms

    day.require_sdks()
    if to is not None:
        _demo_elsewhere(to, data, seed, rounds)
        return
    folder = data or _new_folder()
    say, show = output.console(stderr=True), output.console()
    say.print(f"all data goes to {folder}")
    with contextlib.ExitStack() as running:
        with say.status("starting") as status:
            stack = running.enter_context(up.start(folder, progress=status.update))
            connection = running.enter_context(ledger.connect(folder))
            status.update("putting prices and terms in force")
            terms.put_in_force(connection)
        with _calls_shown(say) as told:
            worked = day.spend(stack.otlp_http_url, seed=seed, rounds=rounds, folder=folder, told=told)
        books = reconcile.tally_of_books(worked.books)
        with say.status("waiting for the last spans"):
            found = reconcile.wait_until_they_agree(connection, books, worked.began, LONGEST_WAIT_S)
        for by in (("client",), ("provider", "model")):
            print_table(measured.read(connection, measured.current_month(), by), show)
            show.print()
    _print_verdict(show, books, found)
    show.print(f"all data lies in {folder.resolve()}", soft_wrap=True)
    show.print(
        f"next: spanledger up --data {folder}\n"
        f"      and in another shell spanledger usage --data {folder} --by client,unit",
        soft_wrap=True,
    )
    if found:
        raise typer.Exit(1)


def _demo_elsewhere(to: str, data: Path | None, seed: int, rounds: int) -> None:
    import tempfile

    from spanledger_billing.cli import output
    from spanledger_billing.demo import elsewhere

    say, show = output.console(stderr=True), output.console()
    elsewhere.endpoint(to)
    folder = data or Path(tempfile.mkdtemp(prefix="spanledger-demo-"))
    say.print(f"the agency's log and outbox are in {folder}", soft_wrap=True)
    with _calls_shown(say) as told:
        found = elsewhere.spend(to, folder, seed=seed, rounds=rounds, say=say.print, told=told)
    if found.differences is None:
        show.print(f"the collector took every span; not compared: {found.not_asked}", soft_wrap=True)
        return
    _print_verdict(show, found.books, found.differences)
    for reason in found.refusals:
        show.print(
            f"the ledger bills nobody for calls that came with this SPANLEDGER_TOKEN: {reason}; "
            "spanledger senders list shows who may bill whom",
            soft_wrap=True,
        )
    if found.differences:
        raise typer.Exit(1)


@contextlib.contextmanager
def _calls_shown(say: Console) -> Iterator[Callable[[int], None]]:
    """What to tell the number of calls, for it to be shown."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("the agency works"), BarColumn(), TextColumn("{task.completed} calls"))
    with Progress(*columns, TimeElapsedColumn(), console=say) as progress:
        task = progress.add_task("calls", total=None)
        yield lambda calls: progress.update(task, completed=calls)


def _new_folder() -> Path:
    """The default folder, or where an earlier demo left it, the first of its name with a number."""
    numbered = (Path(f"{DEFAULT_FOLDER}-{number}") for number in itertools.count(2))
    candidates = itertools.chain([Path(DEFAULT_FOLDER)], numbered)
    return next(folder for folder in candidates if not folder.exists())


def _print_verdict(show: Console, books: Tally, found: Sequence[Difference]) -> None:
    from spanledger_billing.cli import output
    from spanledger_billing.demo.reconcile import CALLS, COUNTS, INCOMPLETE, UNBILLED

    def total(*units: str) -> int:
        return int(sum(quantity for place, quantity in books.items() if place.unit in units))

    units = {place.unit for place in books} - set(COUNTS)
    if found:
        table = output.table(("client", "provider", "model", "unit"), ("books", "ledger"))
        for difference in found:
            place = difference.place
            names = (place.client_id or "(unattributed)", place.provider, place.model, place.unit)
            table.add_row(*map(output.name, names), f"{difference.books:,}", f"{difference.ledger:,}")
        output.print_table(table, show)
    show.print(
        f"ledger {'differs from' if found else 'equals'} the providers' books: {total(CALLS):,} calls, "
        f"{total(*units):,} units of {len(units)} kinds, {len(found):,} differences",
        soft_wrap=True,
    )
    show.print(
        f"of these calls the wire never told {total(INCOMPLETE):,} in full, and the ledger says so; "
        f"{total(UNBILLED):,} more were refused, failed or free",
        soft_wrap=True,
    )
