"""What the words of a place mean: a path here or a URI, and what of a URI may be shown and stored."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

NATIVE = frozenset({"s3", "gs", "gcs", "abfs", "abfss"})
"""Schemes that pyarrow opens by itself."""
_HTTP = frozenset({"http", "https"})
_KNOWN = NATIVE | _HTTP | {"hf", "memory", "az", "adl", "sftp", "ftp", "webdav", "hdfs", "oci"}
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/{1,2})(?=[^/])")
_FILE = re.compile(r"file:(//[^/]*)?/", re.IGNORECASE)
_IN_TEXT = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?=[^/\s])[^\s'\"<>|`]+")
_MARKS = ".,;:!?)]}"
_CONTAINERS = frozenset({"abfs", "abfss"})  # CONTAINER@ACCOUNT is no user
_OPTIONS = frozenset(
    {
        "region", "scheme", "endpoint_override", "tls_ca_file_path", "anonymous", "retry_limit_seconds", "project_id",
        "blob_storage_authority", "dfs_storage_authority", "blob_storage_scheme", "dfs_storage_scheme", "enable_tls",
        "credential_kind", "tenant_id", "client_id", "client_secret", "account_key", "sas_token", "access_key",
        "secret_key", "session_token",
    }
)  # fmt: skip
_OPEN = frozenset({"region", "scheme", "endpoint_override", "project_id"})  # of these, no secret
_SECRET = re.compile(
    r"(^|[-_.])(tokens?|secrets?|sig|signature|credentials?|passw(or)?d|pwd|pass|auth|authorization|sas|jwt|"
    r"policy)([-_.]|$)|(access|account|api|secret|private|client)[-_.]?key|keyid|key[-_]pair|^x-(amz|goog|oss|ms)-",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A URI taken apart; what may be secret is not part of its text.

    Attributes:
        scheme: in small letters.
        authority: user, password and host, bucket or container.
        key: what lies behind it, without a slash at its ends.
        options: (name, value) of the query that say how to connect.
        chosen: what is left of the query: which part of the place is meant.
    """

    scheme: str
    authority: str = field(repr=False)
    key: str
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    chosen: str = field(default="", repr=False)

    @classmethod
    def of(cls, uri: str) -> "Address":
        """Take a URI apart, by its words: a key is what it is, nothing in it is unquoted."""
        scheme, _, rest = uri.partition(":")
        scheme, rest = scheme.lower(), rest.lstrip("/")
        rest, _, query = rest.partition("?")
        authority, _, key = rest.partition("/")
        if scheme in _HTTP:  # all of a query is the server's
            return cls(scheme=scheme, authority=authority, key=key, options=(("", query),) if query else ())
        parts = [part for part in query.split("&") if part]
        ours = [part for part in parts if not _is_option(part.partition("=")[0])]
        pairs = [part.partition("=") for part in parts if part not in ours]
        return cls(
            scheme=scheme,
            authority=authority,
            key=key.strip("/"),
            options=tuple((name, unquote(value)) for name, _, value in pairs),
            chosen="&".join(ours),
        )

    @property
    def host(self) -> str:
        """Return the host, bucket or container without user and password."""
        user, at, host = self.authority.rpartition("@")
        if self.scheme in _CONTAINERS and at:
            return f"{user.partition(':')[0]}@{host}"
        return host

    @property
    def user(self) -> tuple[str, str]:
        """Return user and password, empty where there are none."""
        name, _, password = self.authority.rpartition("@")[0].partition(":")
        return unquote(name), unquote(password)

    def __str__(self) -> str:
        """Return the address without what is or may be secret."""
        return f"{self.scheme}://{self.host}{'/' if self.key else ''}{self.key}"


def _is_option(name: str) -> bool:
    return name in _OPTIONS or _SECRET.search(name) is not None


def uri_of(place: str | Path) -> str | None:
    """Return the URI that a place is, None for a path on this machine; Path takes a slash from s3://, which comes back.

    `file:` is a path, see `local_path`.
    """
    text = str(place)
    found = _URI.match(text)
    if found is None or found[1].lower() == "file" or (found[2] == "/" and found[1].lower() not in _KNOWN):
        return None
    return f"{found[1].lower()}://{text[found.end() :]}"


def local_path(place: str) -> str:
    """Return a place on this machine as a path: `file:///a%20b` is /a b, its query stays."""
    if not _FILE.match(place):
        return place
    from urllib.request import url2pathname

    address, mark, query = place.partition("?")
    parts = urlsplit(address)
    host = "" if parts.netloc in ("", "localhost") else f"//{parts.netloc}"
    return host + url2pathname(parts.path) + mark + query


def shown(place: str | Path) -> str:
    """Return the words of a place without user, password, tokens and signatures."""
    uri = uri_of(place)
    if uri is None:
        return str(place)
    address = Address.of(uri)
    return f"{address}?{address.chosen}" if address.chosen else str(address)


def stored(place: str | Path) -> str:
    """Return the words of a place as a run may keep them: `shown`, with what says where its store is."""
    uri = uri_of(place)
    if uri is None:
        return str(place)
    address = Address.of(uri)
    kept = [f"{name}={value.rpartition('@')[2]}" for name, value in address.options if name in _OPEN]
    query = "&".join([*kept, *([address.chosen] if address.chosen else [])])
    return f"{address}?{query}" if query else str(address)


def without_secrets(text: str) -> str:
    """Return a text with every URI in it as `shown` has it; a text without any as it is."""
    return _IN_TEXT.sub(_shown_in_text, text) if ":/" in text else text


def _shown_in_text(found: re.Match[str]) -> str:
    """Return a URI as `shown` has it, with the marks of the sentence behind it."""
    place = found[0].rstrip(_MARKS)
    return shown(place) + found[0][len(place) :]
