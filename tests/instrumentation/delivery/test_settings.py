"""Where spans go is checked at once, and no message shows a secret."""

import pytest

from spanledger.delivery import DeliverySettings
from support.counting import Counting


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
        ("https://collector.example/otlp", "https://collector.example/otlp/v1/traces"),
        ("https://collector.example/v1/traces", "https://collector.example/v1/traces"),
        ("https://collector.example/v1/traces/", "https://collector.example/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_the_path_is_appended_unless_the_endpoint_has_it(endpoint: str, url: str):
    assert DeliverySettings(endpoint).url == url


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "127.0.0.1:4318",
        "localhost:4318",
        "grpc://collector:4317",
        "http://",
        "http://host:port",
        "http://host:99999",
        "https://user:secret@collector",
        "http://collector?token=secret",
        "http://[::1",
    ],
)
def test_an_endpoint_that_cannot_be_used_is_refused_with_what_is_allowed(endpoint: str):
    with pytest.raises(ValueError, match=r"must look like http://127\.0\.0\.1:4318") as refused:
        DeliverySettings(endpoint)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "secrets", [{"token": "sec\nret"}, {"token": "secrét"}, {"headers": {"x-key": "secret\r\nx: y"}}]
)
def test_a_header_that_cannot_be_sent_is_refused_without_being_shown(secrets: dict):
    with pytest.raises(ValueError, match="must be printable ASCII") as refused:
        DeliverySettings("http://collector", **secrets)
    assert "sec" not in str(refused.value)


def test_white_space_around_a_token_from_a_file_is_cut_off():
    assert DeliverySettings("http://collector", token=" tok\n").request_headers() == {
        "authorization": "Bearer tok"
    }


def test_settings_show_neither_token_nor_headers():
    shown = repr(DeliverySettings("http://collector", token="secret", headers={"x-key": "secret"}))
    assert "secret" not in shown


def test_bounds_come_from_their_variables(monkeypatch: pytest.MonkeyPatch):
    assert DeliverySettings("http://collector").memory_limit_bytes == 64 * 1024 * 1024
    assert DeliverySettings("http://collector").exit_timeout == 5
    monkeypatch.setenv("SPANLEDGER_MEMORY_LIMIT_MB", "0.5")
    monkeypatch.setenv("SPANLEDGER_EXIT_TIMEOUT", " 12 ")
    assert DeliverySettings("http://collector").memory_limit_bytes == 512 * 1024
    assert DeliverySettings("http://collector").exit_timeout == 12


@pytest.mark.parametrize("text", ["much", "-1", "0", "nan", "inf"])
def test_a_bad_bound_is_counted_and_the_default_taken(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SPANLEDGER_MEMORY_LIMIT_MB", text)
    with Counting() as counted:
        assert DeliverySettings("http://collector").memory_limit_bytes == 64 * 1024 * 1024
    assert counted.kinds == {"bad_setting": 1}
