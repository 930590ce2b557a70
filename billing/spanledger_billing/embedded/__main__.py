"""`python -m spanledger_billing.embedded DATA`: the endpoint alone, in the foreground.

`spanledger up` starts it with `--lock-fd` and holds its standard input open: when that ends, whoever
started this is gone, and nobody is left to stop it.
"""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from spanledger_billing.embedded import folder
from spanledger_billing.embedded.credentials import PASSWORD_FILES, Gatekeeper, password
from spanledger_billing.errors import InvalidInputError, OperatorError

DRAIN_SECONDS = 20
"""How long a request under way may take to finish when the endpoint is told to stop."""


def main() -> int:
    arguments = _arguments()
    try:
        return _run(arguments)
    except OperatorError as error:
        sys.stderr.write(f"spanledger: {error}\n")
        return error.exit_code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m spanledger_billing.embedded", description=__doc__)
    parser.add_argument("data", type=Path, help="the data folder")
    parser.add_argument("--port", type=int, default=8123, help="port on 127.0.0.1; 0 for a free one")
    parser.add_argument("--lock-fd", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> int:
    folder.check_file_size_limit()
    data = folder.prepare(arguments.data)
    lock = folder.Lock(data) if arguments.lock_fd is None else None
    os.chdir(data)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    passwords = {user: password(data, user) for user in PASSWORD_FILES}

    # After the lock: of two engines on one folder each would ruin the other's data.
    from spanledger_billing.embedded.engine import Engine
    from spanledger_billing.embedded.server import LOOPBACK, Endpoint

    engine = Engine(memory_bytes())
    try:
        endpoint = Endpoint(arguments.port, engine, Gatekeeper(passwords))
    except OSError as error:
        engine.close()
        raise InvalidInputError(
            f"port {arguments.port} on 127.0.0.1 cannot be used: {error.strerror}",
            next_step="stop what listens there, or choose another with --port",
        ) from error
    _stop_on_signal_or_orphaned(endpoint, orphan=arguments.lock_fd is not None)
    if lock is not None:
        url = f"http://{LOOPBACK}:{endpoint.port}"
        addresses = {"clickhouse_url": url, "user": "spanledger", "pid": os.getpid()}
        lock.describe(addresses)
        folder.write_addresses(data, addresses)
        sys.stdout.write(
            f"ClickHouse HTTP interface at {url}, user spanledger, password in {data}/password\n"
        )
        sys.stdout.flush()
    endpoint.serve_forever(poll_interval=0.1)
    endpoint.server_close()
    if not endpoint.wait_until_idle(DRAIN_SECONDS):
        logging.getLogger(__name__).warning("stopped with requests under way")
        # An ordinary end would take the engine apart under them: it crashes then, or answers with nothing as
        # if that were the result. On a broken connection clients try again, and no insert was acknowledged.
        os._exit(0)
    engine.close()
    return 0


def memory_bytes() -> int:
    """What the engine may take: half of the machine's memory, or SPANLEDGER_MEMORY_MIB."""
    asked = os.environ.get("SPANLEDGER_MEMORY_MIB", "")
    if asked:
        if not asked.isascii() or not asked.isdigit() or int(asked) < 256:
            raise InvalidInputError(
                f"SPANLEDGER_MEMORY_MIB is {asked!r}", allowed="a whole number of MiB from 256 on"
            )
        return int(asked) << 20
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _stop_on_signal_or_orphaned(endpoint: object, *, orphan: bool) -> None:
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)

    def wait() -> None:
        stop.wait()
        endpoint.shutdown()  # type: ignore[attr-defined]

    threading.Thread(target=wait, name="stop", daemon=True).start()
    if orphan:
        threading.Thread(target=_until_orphaned, args=(stop,), name="orphan", daemon=True).start()


def _until_orphaned(stop: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    if not stop.is_set():
        _end_collector()
    stop.set()


def _end_collector() -> None:
    """Nobody else is left to do it; its queue stays on disk, like after any stop."""
    try:
        pid = json.loads(Path("lock").read_text())["collector_pid"]
        command = Path(f"/proc/{pid}/cmdline")
        if not command.exists() or b"otelcol" in command.read_bytes():
            os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError, KeyError, TypeError):
        logging.getLogger(__name__).warning("no collector to stop")


if __name__ == "__main__":
    sys.exit(main())
