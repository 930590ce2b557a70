"""The faults. Each does its harm while apps make calls, and ends it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from faults.world import Fault, World

KILLS: dict[str, Fault] = {}
OTHERS: dict[str, Fault] = {}
ON_THE_NETWORK: set[str] = set()
"""Faults for which the apps must send through the network."""


def _kill(fault: Fault) -> Fault:
    KILLS[fault.__name__] = fault
    return fault


def _other(*, network: bool = False) -> Callable[[Fault], Fault]:
    def add(fault: Fault) -> Fault:
        OTHERS[fault.__name__] = fault
        if network:
            ON_THE_NETWORK.add(fault.__name__)
        return fault

    return add


@_kill
def kill_app(world: World) -> None:
    world.kill_app()
    world.start_app()


@_kill
def kill_collector(world: World) -> None:
    world.stack.collector.kill9()
    world.pause()
    world.stack.collector.start()


@_kill
def kill_database(world: World) -> None:
    world.stack.endpoint.kill9()
    world.pause()
    world.stack.endpoint.start()


@_other()
def kill_everything_at_once(world: World) -> None:
    apps = len(world.running)
    for process in world.processes:
        os.kill(process.pid, signal.SIGKILL)
    while world.running:
        world.kill_app()
    for _ in range(apps):
        world.start_app()  # into a world without a collector
    world.let(20)
    world.revive()


@_other()
def full_disk(world: World) -> None:
    """For apps, collector and database at once. No app is killed meanwhile: it has nothing but its memory."""
    # Not the database's where sizes are limited: ClickHouse does not see that limit coming, as it does see a
    # full disk, and its merges then leave empty files. No disk behaves so.
    pids = [*(app.pid for app in world.running), world.stack.collector.pid]
    with world.disk.full(world.draws.choice((1 << 14, 1 << 18, 1 << 22)), pids):
        world.let(300)
        time.sleep(1)
    world.revive()
    world.let(50)


@_other()
def clocks_jump(world: World) -> None:
    for _ in range(6):
        world.draws.choice(world.running).signal(signal.SIGUSR1)
        world.let(25)


@contextmanager
def _network(world: World, mode: str) -> Iterator[None]:
    world.network.mode = mode
    try:
        yield
    finally:
        world.network.mode = "pass"


@_other(network=True)
def connections_are_reset(world: World) -> None:
    with _network(world, "reset"):
        world.let(200)
        time.sleep(1)


@_other(network=True)
def requests_are_never_answered(world: World) -> None:
    with _network(world, "silent"):
        world.let(150)
        world.kill_app()
        world.start_app()
        time.sleep(2)


@_other(network=True)
def connections_drip(world: World) -> None:
    with _network(world, "slow"):
        world.let(200)


@_other(network=True)
def everything_is_delivered_twice_then_again_in_other_groups_and_order(world: World) -> None:
    with _network(world, "repeat"):
        world.let(150)
        world.stack.collector.kill9()
        world.pause()
        world.stack.collector.start()
        world.let(150)
        time.sleep(0.5)
    world.network.again()


@_other(network=True)
def two_collectors_of_which_one_dies(world: World) -> None:
    world.add_second_collector()
    with _network(world, "repeat"):  # to either, so that each has what the other has
        world.let(100)
        assert world.second is not None
        world.second.kill9()
        world.let(100)
        world.second.start()
        world.let(50)
    world.network.again()


@_other()
def collector_away_for_long(world: World) -> None:
    """For as many calls as a busy app makes in an hour would be a multiple of this; see the README."""
    world.stack.collector.kill9()
    world.let(world.away)
    world.stack.collector.start()
