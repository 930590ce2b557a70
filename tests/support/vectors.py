"""The wire vectors: what providers send, and what must show of it.

Each case of `tests/vectors/*.json` is a request, an answer and the figures that are true of it;
`tests/vectors/README.md` tells the format. Tests at every level (the parsers, httpx, the SDKs) render
the answer with `body_bytes` and hold the spans they got against `check_expected`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spanledger import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER = Path(__file__).parent.parent / "vectors"


@dataclass(frozen=True)
class Case:
    """One exchange of a vector."""

    id: str
    provider: str
    operation: str
    api: str
    request: dict[str, Any]
    response: dict[str, Any]
    expected: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.response["kind"]

    @property
    def request_body(self) -> bytes:
        body = self.request.get("json")
        return b"" if body is None else json.dumps(body).encode()


class Seen(NamedTuple):
    """A span of ours: its attributes, and whether it is a line, a child of the call's span."""

    attributes: Mapping[str, Any]
    line: bool = False


def cases(*, kinds: Iterable[str] | None = None, without: Iterable[str] = ()) -> list[Case]:
    """Every exchange of every vector; a vector of several exchanges gives `id#0`, `id#1`."""
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        vector = json.loads(path.read_text("utf-8"))
        exchanges = vector.get("exchanges") or [vector]
        for number, exchange in enumerate(exchanges):
            name = vector["id"] if len(exchanges) == 1 else f"{vector['id']}#{number}"
            case = Case(
                id=name,
                provider=vector["provider"],
                operation=vector["operation"],
                api=vector["api"],
                request=exchange["request"],
                response=exchange["response"],
                expected=exchange["expected"],
            )
            if (kinds is None or case.kind in kinds) and case.kind not in without:
                found.append(case)
    return found


def body_bytes(response: Mapping[str, Any]) -> bytes:
    """The answer's body as the provider sends it, uncompressed."""
    kind = response["kind"]
    if kind in ("json", "json-array-stream"):
        return json.dumps(response["json"], ensure_ascii=False).encode()
    if kind == "sse":
        return ("\n".join(response["sse_lines"]) + "\n").encode()
    if kind in ("ndjson", "jsonl"):
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in response[kind]).encode()
    if kind in ("aws-eventstream", "binary"):
        return base64.b64decode(response.get("body_base64", ""))
    raise ValueError(f"a body of kind {kind!r} has no bytes; its event goes to the parser as it is")


ATTRIBUTES: dict[str, str] = {
    "input_total": names.USAGE["input"],
    "output_total": names.USAGE["output"],
    "cache_read": names.USAGE["cache_read"],
    "cache_write": names.USAGE["cache_write"],
    "cache_write_5m": names.USAGE["cache_write_5m"],
    "cache_write_1h": names.USAGE["cache_write_1h"],
    "cache_write_30m": names.USAGE["cache_write_30m"],
    "cache_write_12h": names.USAGE["cache_write_12h"],
    "reasoning": names.USAGE["reasoning"],
    "text_in": names.USAGE["text_in"],
    "audio_in": names.USAGE["audio_in"],
    "image_in": names.USAGE["image_in"],
    "video_in": names.USAGE["video_in"],
    "text_out": names.USAGE["text_out"],
    "audio_out": names.USAGE["audio_out"],
    "image_out": names.USAGE["image_out"],
    "cache_read_text": names.USAGE["cache_read_text"],
    "cache_read_audio": names.USAGE["cache_read_audio"],
    "tool_input": names.USAGE["tool_in"],
    "accepted_prediction": names.USAGE["accepted_prediction"],
    "rejected_prediction": names.USAGE["rejected_prediction"],
    "citation_tokens": names.USAGE["citation"],
    "seconds_in": names.USAGE["seconds"],
    "characters_in": names.USAGE["characters"],
    "pages": names.USAGE["pages"],
    "search_units": names.USAGE["search_units"],
    "images_out_count": names.USAGE["images"],
    "cost_usd": names.PROVIDER_COST_USD,
    "usage_found": names.USAGE_FOUND,
    "complete": names.USAGE_COMPLETE,
    "request_model": names.REQUEST_MODEL,
    "response_model": names.RESPONSE_MODEL,
    "response_id": names.RESPONSE_ID,
    "service_tier": names.SERVICE_TIER,
    "service_tier_requested": names.SERVICE_TIER_REQUESTED,
    "inference_geo": names.INFERENCE_GEO,
    "speed": names.SPEED,
    "traffic_type": names.TRAFFIC_TYPE,
    "retry_count": names.RESEND_COUNT,
    "error_type": names.ERROR_TYPE,
}
"""Key of `expected` -> attribute, as the table at the end of the vectors' README has them."""

_SUMMED = frozenset(key for key, name in ATTRIBUTES.items() if name in names.USAGE.values())


def check_expected(case: Case, spans: list[Seen]) -> list[str]:
    """What the spans of one exchange get wrong: a sentence each, none if all is as expected."""
    expected = case.expected
    calls = [span.attributes for span in spans if not span.line]
    lines = [span.attributes for span in spans if span.line]
    if expected.get("captured") is False or case.provider == "_NONE":
        return [f"{len(spans)} spans where there must be none"] if spans else []
    wanted = expected.get("items_with_usage", 1)
    if len(calls) != wanted:
        return [f"{len(calls)} spans of calls, expected {wanted}"]
    problems = [
        f"{names.PROVIDER} is {call.get(names.PROVIDER)!r}, expected {case.provider!r}"
        for call in calls
        if call.get(names.PROVIDER) != case.provider
    ]
    if "items" in expected:
        return problems + _check_items(expected, calls)
    (call,) = calls
    problems += _check_figures(expected, call)
    problems += _check_billing(expected, call)
    return problems + _check_lines(expected, call, lines)


def _check_figures(expected: Mapping[str, Any], attributes: Mapping[str, Any]) -> list[str]:
    problems = []
    for key, name in ATTRIBUTES.items():
        if key in expected and not _same(attributes.get(name), expected[key]):
            problems.append(f"{name} is {attributes.get(name)!r}, expected {expected[key]!r}")
    for tool, number in expected.get("server_tools", {}).items():
        found = attributes.get(names.SERVER_TOOL_PREFIX + tool)
        if not _same(found, number):
            problems.append(f"{names.SERVER_TOOL_PREFIX + tool} is {found!r}, expected {number!r}")
    if "finish_reason" in expected:
        reasons = list(attributes.get(names.FINISH_REASONS, ()))
        if reasons != [expected["finish_reason"]]:
            problems.append(f"{names.FINISH_REASONS} is {reasons}, expected [{expected['finish_reason']!r}]")
    return problems + _check_sums(expected, attributes)


def _check_sums(expected: Mapping[str, Any], attributes: Mapping[str, Any]) -> list[str]:
    def of(key: str) -> int:
        return attributes.get(names.USAGE[key]) or 0

    problems = []
    if "input_uncached" in expected:
        uncached = of("input") - of("cache_read") - of("cache_write")
        if uncached != (expected["input_uncached"] or 0):
            problems.append(f"uncached input is {uncached}, expected {expected['input_uncached']}")
    if "total_reported" in expected and of("input") + of("output") != expected["total_reported"]:
        problems.append(
            f"input {of('input')} + output {of('output')} is not the provider's {expected['total_reported']}"
        )
    return problems


def _same(found: Any, expected: Any) -> bool:
    """Unknown must be absent, never 0; a 0 may be left out."""
    if expected is None:
        return found is None
    if expected == 0 and not isinstance(expected, bool):
        return found is None or found == 0
    return type(found) is type(expected) and found == expected


def _check_billing(expected: Mapping[str, Any], call: Mapping[str, Any]) -> list[str]:
    billable, key = call.get(names.BILLABLE), call.get(names.BILLING_KEY)
    wanted = "no_lines_follow" if "price_lines" in expected else expected.get("billable", billable)
    problems = []
    if billable != wanted:
        problems.append(f"{names.BILLABLE} is {billable!r}, expected {wanted!r}")
    keyed = wanted in ("once_per_response_id", "pending")
    own = f"{call.get(names.PROVIDER)}:{call.get(names.RESPONSE_ID)}"
    if keyed and key != own:
        problems.append(f"{names.BILLING_KEY} is {key!r}, expected {own!r}")
    return problems


def _check_lines(
    expected: Mapping[str, Any], call: Mapping[str, Any], lines: list[Mapping[str, Any]]
) -> list[str]:
    wanted = [
        *((line.get("type"), line) for line in expected.get("other_model_lines", ())),
        *((line.get("tool"), line) for line in expected.get("tool_lines", ())),
        *((None, line) for line in expected.get("price_lines", ())),
    ]
    if len(lines) != len(wanted):
        return [f"{len(lines)} lines, expected {len(wanted)}"]
    problems = []
    for (kind, line), found in zip(wanted, lines, strict=True):
        name = str(found.get(names.LINE, ""))
        if not name or (kind is not None and name.partition(".")[0] != kind):
            problems.append(f"{names.LINE} is {name!r}, expected {kind!r}")
        if (
            "model" in line
            and found.get(names.RESPONSE_MODEL, found.get(names.REQUEST_MODEL)) != line["model"]
        ):
            problems.append(f"the line's model is not {line['model']!r}")
        if found.get(names.BILLING_KEY) != call.get(names.BILLING_KEY):
            problems.append(f"the line's {names.BILLING_KEY} is not its call's")
        problems += _check_figures(line, found)
    if len({found.get(names.LINE) for found in lines}) != len(lines):
        problems.append(f"two lines have the same {names.LINE}")
    return problems


def _check_items(expected: Mapping[str, Any], calls: list[Mapping[str, Any]]) -> list[str]:
    """The figures of a batch file are those of its items together."""
    together: dict[str, Any] = {}
    for key, name in ATTRIBUTES.items():
        values = [call.get(name) for call in calls]
        if key in _SUMMED:
            known = [value for value in values if value is not None]
            together[name] = sum(known) if known else None
        else:
            together[name] = values[0] if len(set(values)) == 1 else values
    problems = _check_figures(expected, together)
    for call in calls:
        problems += _check_billing(expected, call)
    if len({call.get(names.BILLING_KEY) for call in calls}) != len(calls):
        problems.append(f"two items have the same {names.BILLING_KEY}")
    return problems
