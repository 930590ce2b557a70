"""Images, speech, transcriptions, and what is free."""

from decimal import Decimal

import pytest

from support.wire import post, read, request, stream

USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}


def test_images_stream_their_usage_with_the_last_event():
    partial = {"type": "image_generation.partial_image", "b64_json": "A" * 100}
    last = {
        "type": "image_generation.completed",
        "b64_json": "A" * 100,
        "size": "1024x1024",
        "quality": "high",
        "usage": {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105},
    }
    asked = {"model": "gpt-image-1", "prompt": "x", "stream": True}
    whole = stream("https://api.openai.com/v1/images/generations", asked, partial, last)
    assert (whole.usage.input, whole.usage.output, whole.usage.images) == (5, 100, None)
    assert (whole.complete, whole.image_size, whole.image_quality) == (True, "1024x1024", "high")
    cut = stream("https://api.openai.com/v1/images/edits", asked, partial, ended=False)
    assert (cut.found, cut.complete, cut.billable) == (False, False, "unknown")


def test_images_that_are_billed_by_the_image_are_counted_and_described():
    asked = {"model": "dall-e-3", "prompt": "x", "n": 2, "size": "1792x1024", "quality": "hd"}
    reading = post(
        "https://api.openai.com/v1/images/generations", asked, {"data": [{"url": "a"}, {"url": "b"}]}
    )
    assert (reading.found, reading.complete, reading.billable, reading.usage.images) == (
        False,
        True,
        "yes",
        2,
    )
    assert (reading.image_size, reading.image_quality) == ("1792x1024", "hd")


def test_an_image_written_as_svg_is_a_line_of_its_writer():
    answer = {
        "data": [{}],
        "usage": {"input_tokens": 1, "output_tokens": 2},
        "svg_usage": {
            "model": "w",
            "input_tokens": 3,
            "output_tokens": 4,
            "total_tokens": 7,
            "reasoning_tokens": 1,
        },
    }
    reading = post("https://api.openai.com/v1/images/generations", {"model": "gpt-image-2"}, answer)
    assert [(line.kind, line.model, line.usage.input, line.usage.output) for line in reading.lines] == [
        ("svg", "w", 3, 4)
    ]


@pytest.mark.parametrize(("model", "characters"), [("tts-1-hd", 5), ("gpt-4o-mini-tts", None)])
def test_speech_in_bytes_states_nothing_and_is_billed_by_the_character_only_where_models_are(
    model, characters
):
    asked = request("POST", "https://api.openai.com/v1/audio/speech", {"model": model, "input": "héllo"})
    (reading,) = read(asked, b"\xff\xf3\x00{", headers={"content-type": "audio/mpeg"})
    assert (reading.complete, reading.billable, reading.usage.characters) == (True, "yes", characters)
    (cut,) = read(asked, b"\xff", headers={"content-type": "audio/mpeg"}, ended=False)
    assert (cut.complete, cut.billable) == (False, "unknown")


def test_a_transcription_in_plain_text_is_complete_and_states_nothing():
    asked = request("POST", "https://api.openai.com/v1/audio/transcriptions")
    (reading,) = read(asked, b"data is what they said", headers={"content-type": "text/plain; charset=utf-8"})
    assert (reading.found, reading.complete, reading.billable) == (False, True, "yes")


def test_a_transcription_is_billed_by_the_second_or_by_the_token():
    url, asked = "https://api.openai.com/v1/audio/transcriptions", {"model": "whisper-1"}
    by_time = post(url, asked, {"text": "x", "duration": 8.47, "usage": {"type": "duration", "seconds": 8.5}})
    assert (by_time.usage.seconds, by_time.usage.input) == (Decimal("8.5"), None)
    usage = {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"audio_tokens": 14},
        "output_tokens": 3,
    }
    by_token = post(url, asked, {"text": "x", "usage": usage})
    assert (by_token.usage.audio_in, by_token.usage.output, by_token.usage.seconds) == (14, 3, None)


@pytest.mark.parametrize("path", ["moderations", "responses/input_tokens"])
def test_what_is_free_is_a_call_without_usage(path):
    answer = {"object": "x", "input_tokens": 11, "results": [], "usage": USAGE}
    reading = post(f"https://api.openai.com/v1/{path}", {"model": "m", "input": "x"}, answer)
    assert (reading.found, reading.complete, reading.billable) == (False, True, "no")
