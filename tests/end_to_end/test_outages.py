"""The call is sacred: what is broken behind the app is made good later, and the app does not notice."""

from datetime import UTC, datetime

import pytest

from support import demo_world

CLIENT = "dune-outdoor"
CALLS = 25


@pytest.mark.parametrize("component", ["collector", "endpoint"])
def test_calls_made_while_a_component_is_down_succeed_unchanged_and_are_in_the_ledger_later(
    fragile, component
):
    began = datetime.now(UTC)
    down = getattr(fragile.stack, component)
    with demo_world.running_providers(seed=14) as providers:
        down.kill9()
        try:
            app = demo_world.start_small_app(providers, fragile.endpoint, CLIENT, CALLS)
            answered = demo_world.first_line(app)
            books = providers.books()
        finally:
            down.restart()
        demo_world.finish(app)
    assert [status for status, _ in answered] == [200] * CALLS
    assert [usage["completion_tokens"] for _, usage in answered] == [
        entry["units"]["output"] for entry in books
    ]
    assert fragile.differences(books, began) == []
