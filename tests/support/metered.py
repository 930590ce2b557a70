"""Holds recorded spans against the vectors: what capture adds between a parser's reading and a span."""

from spanledger import names
from support.vectors import Case, Seen, check_expected


def seen(calls):
    """Recorded spans as the checker takes them."""
    return [Seen(dict(span.attributes), line=names.LINE in span.attributes) for span in calls]


def check(case: Case, calls):
    """The spans of one exchange are what its vector says, and lines are children of their call."""
    assert check_expected(case, seen(calls)) == []
    parents = {span.context.span_id for span in calls if names.LINE not in span.attributes}
    for span in calls:
        assert span.kind.name == "CLIENT"
        assert span.instrumentation_scope.name == names.SCOPE
        if names.LINE in span.attributes:
            assert span.parent.span_id in parents


def check_cut(case: Case, calls):
    """A cut answer gives at most the whole's spans, and no quantity above what the whole states."""
    if case.expected.get("captured") is False:
        assert calls == []
        return
    for span in calls:
        complete = span.attributes[names.USAGE_COMPLETE]
        found = span.attributes[names.USAGE_FOUND]
        assert not (complete and found and case.expected.get("usage_found") is False)
        whole = case.expected.get("input_total")
        read = span.attributes.get(names.USAGE["input"])
        if names.LINE not in span.attributes and whole is not None and read is not None:
            assert read <= whole
