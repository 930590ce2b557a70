"""What is delivered again, and again in another order, after crashes of everything behind the app."""

from datetime import UTC, datetime

from support import demo_world
from support.repeating_proxy import RepeatingProxy
from support.waiting import wait_for


def test_every_request_delivered_twice_and_kill_9_of_collector_and_endpoint_midway_change_no_total(fragile):
    began = datetime.now(UTC)
    with (
        demo_world.running_providers(seed=13) as providers,
        RepeatingProxy(fragile.endpoint) as proxy,
    ):
        agency = demo_world.start_agency(providers, proxy.url)
        wait_for(lambda: providers.count() > 30, "a part of the calls")
        fragile.stack.endpoint.kill9()
        wait_for(lambda: providers.count() > 60, "calls while the endpoint is down")
        fragile.stack.collector.kill9()
        fragile.stack.endpoint.restart()
        wait_for(lambda: providers.count() > 90, "calls while the collector is down")
        fragile.stack.collector.restart()
        demo_world.finish(agency)
        books = providers.books()
        assert fragile.differences(books, began) == []

        proxy.repeat_regrouped()
        wait_for(fragile.everything_is_passed_on, "the repeated spans")
        assert fragile.differences(books, began) == []
    ((arrivals, spans),) = fragile.rows("SELECT count(), uniqExact(TraceId, SpanId) FROM otel_traces")
    assert arrivals >= 2 * spans
