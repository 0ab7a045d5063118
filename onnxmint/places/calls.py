"""Questions to a store that may fail: asked again a bounded number of times, and told in one line without secrets."""

import errno
import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from onnxmint.places.words import without_secrets

WAITS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries of a call; as many more tries as there are waits."""
_LONGEST = 200  # letters of a library's own words
_LAST = (
    (r"NO_SUCH_BUCKET|NoSuchBucket|ContainerNotFound", "there is no such bucket; check its name"),
    (r"EXPIRED_TOKEN|ExpiredToken|TokenRefreshRequired|token.*expired", "the credentials have expired; sign in again"),
    (
        r"INVALID_ACCESS_KEY_ID|InvalidAccessKeyId|SIGNATURE_DOES_NOT_MATCH|SignatureDoesNotMatch|"
        r"INVALID_CLIENT_TOKEN_ID|Could not validate credentials|AuthorizationFailure|AuthenticationFailed|"
        r"AuthenticationException|Base64 encoded",
        "the credentials are not known there; check them (environment, profile, role)",
    ),
    (
        r"ACCESS_DENIED|AccessDenied|PERMISSION_DENIED|\b40[13]\b|Unauthorized|Forbidden|NoCredentials|"
        r"Anonymous caller",
        "access is denied; check the credentials (environment, profile, role) and what they allow",
    ),
    (
        r"status 400\).*No response body",  # to a question without a body in the answer, none says why
        "the store refuses the call; mostly since credentials have expired or are wrong, or the region is another",
    ),
    (
        r"PermanentRedirect|\b301\b|MOVED_PERMANENTLY|AuthorizationHeaderMalformed",
        "the bucket is in another region; name it with ?region=REGION or AWS_REGION",
    ),
)
_NOTHING = re.compile(r"No such (file or )?directory|Path does not exist")  # how some stores begin to say it
_PASSING = (
    (
        r"SLOW_DOWN|SlowDown|SERVICE_UNAVAILABLE|THROTTL|TOO_MANY_REQUESTS|\b(429|503)\b",
        "the store says that it is asked too often, and kept saying so; ask again later, or for less at once",
    ),
    (
        r"NETWORK_CONNECTION|curlCode|[Cc]onnection|Could not (resolve|connect)|timed? ?out|ended early|Broken pipe",
        "the store cannot be reached, or the connection was lost each time; check the network and the endpoint",
    ),
)
Result = TypeVar("Result")


class PlaceError(OSError):
    """A place cannot be read or written, and asking again does not help; the text is the fact and what mends it."""


class ChangedError(PlaceError):
    """What is read is no longer what was listed."""


class Tries:
    """Counts the calls that had to be repeated, by place; of the process, as stores are."""

    def __init__(self) -> None:
        """Start with none."""
        self._count: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, place: str) -> None:
        """Count one repeated call."""
        with self._lock:
            self._count[place] += 1

    def of(self, place: str) -> int:
        """Return how many calls for a place, or something below it, were repeated."""
        with self._lock:
            return sum(often for name, often in self._count.items() if name == place or name.startswith(f"{place}/"))


TRIES = Tries()


def again(call: Callable[[], Result], place: str) -> Result:
    """Return what a call gives, asked again after failures that may pass.

    Args:
        call: raises OSError, or an error of pyarrow or aiohttp.
        place: as shown.

    Raises:
        FileNotFoundError: there is nothing.
        PlaceError: no bucket, no permission, or a failure that did not pass.
    """
    for wait in (*WAITS, None):
        try:
            return call()
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), place) from None
        except failures() as problem:
            if _NOTHING.match(str(problem)):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), place) from None
            final = explained(problem)
            if final is not None:
                raise final from None
            if wait is None:
                raise PlaceError(f"{_passing(problem)} (asked {len(WAITS) + 1} times)") from None
        TRIES.add(place)
        time.sleep(wait)
    raise PlaceError("no try was allowed")


def failures() -> tuple[type[BaseException], ...]:
    """Return the kinds of errors that stores raise."""
    import pyarrow as pa

    aiohttp = sys.modules.get("aiohttp")
    others = () if aiohttp is None else (aiohttp.ClientError,)
    return (OSError, pa.ArrowException, *others)


def explained(problem: BaseException) -> PlaceError | None:
    """Return an error that says why asking again is of no use; None where it may help."""
    if isinstance(problem, PlaceError):
        return problem
    text = str(problem)
    return next((PlaceError(words) for pattern, words in _LAST if re.search(pattern, text)), None)


def _passing(problem: BaseException) -> str:
    text = str(problem)
    return next((words for pattern, words in _PASSING if re.search(pattern, text)), f"the store says: {_line(text)}")


def _line(text: str) -> str:
    """Return a library's words in one line, without secrets and the store's own numbers."""
    folded = " ".join(text.split()).partition(" (Request ID")[0]
    return without_secrets(folded)[:_LONGEST] or "nothing"
