"""What libraries of stores say, in our words: nothing there, closed, or away."""

import pytest

from onnxmint.places import calls


@pytest.mark.parametrize(
    "said", ["No such file or directory 'b/k'", "No such directory: b/k", "Path does not exist 'b/k'"]
)
def test_nothing_there_is_said_in_many_ways_and_asked_once(said: str) -> None:
    asked = []

    def call() -> None:
        asked.append(1)
        raise OSError(said)

    with pytest.raises(FileNotFoundError):
        calls.again(call, "gs://b/k")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("UploadFrom failed. Azure Error: [ContainerNotFound] 404", "there is no such bucket"),
        (
            "Azure Error: [AuthorizationFailure] 403 Server failed to authenticate",
            "the credentials are not known there",
        ),
        ("St13runtime_error: Unexpected end of Base64 encoded string.", "the credentials are not known there"),
        (
            "Azure Error: [] Fail to get a new connection for: http://h:1. Could not connect",
            "the store cannot be reached",
        ),
    ],
)
def test_what_azure_says_is_told_in_our_words(said: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "WAITS", (0.0,))

    def call() -> None:
        raise OSError(said)

    with pytest.raises(calls.PlaceError, match=words):
        calls.again(call, "abfs://b@a.dfs.core.windows.net/k")
