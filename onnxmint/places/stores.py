"""Stores that are spoken to: pyarrow's file systems, and fsspec's behind the same face where pyarrow has none."""

import functools
import os
import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from onnxmint.errors import UsageError
from onnxmint.places.calls import PlaceError, again
from onnxmint.places.words import NATIVE, Address

_CONNECT, _WAIT = 10, 30  # seconds; the SDK's own are 1 and 3, which a busy store exceeds
_CONTAINER = re.compile(
    r"(?P<container>[^:@]+)(:(?P<key>[^@]+))?@(?P<account>[a-z0-9]+)\.(dfs|blob)\.(?P<domain>core\.[a-z.]+)"
)
_GCS_WAIT = 20  # seconds; without a limit the library asks for a quarter of an hour
_S3 = {"region", "scheme", "endpoint_override", "tls_ca_file_path", "access_key", "secret_key", "session_token"}
_GCS = {"scheme", "endpoint_override", "project_id", "retry_limit_seconds", "anonymous"}
_AZURE = {
    "account_key", "sas_token", "tenant_id", "client_id", "client_secret", "blob_storage_authority",
    "dfs_storage_authority", "blob_storage_scheme", "dfs_storage_scheme", "enable_tls",
}  # fmt: skip
_EXTRA = 'pip install "onnxmint[remote]"'


def connected(address: Address) -> tuple[Any, str]:
    """Return pyarrow's file system for an address, and the path of its key there.

    Raises:
        UsageError: an option of the address is not known, or what its scheme needs is not installed.
        PlaceError: the store does not answer.
    """
    if address.scheme in ("s3", "gs", "gcs"):
        make = _s3 if address.scheme == "s3" else _gcs
        return make(address.host, address.user, address.options), f"{address.host}/{address.key}".rstrip("/")
    if address.scheme in NATIVE and (parts := _CONTAINER.fullmatch(address.authority)) is not None:
        files = _azure(parts["account"], unquote(parts["key"] or ""), parts["domain"], address.options, str(address))
        return files, f"{parts['container']}/{address.key}".rstrip("/")
    if address.scheme in NATIVE:
        files, base = _native(address.scheme, address.authority, address.options, str(address))
        return files, f"{base}/{address.key}".strip("/")
    return _by_fsspec(address)


@functools.cache
def _s3(bucket: str, user: tuple[str, str], options: tuple[tuple[str, str], ...]) -> Any:
    from pyarrow import fs

    given = _known(options, _S3, f"s3://{bucket}")
    name, password = user
    if name and password:
        given |= {"access_key": name, "secret_key": password}
    elif name == "anonymous":
        given |= {"anonymous": True}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "endpoint_override" not in given:
        scheme, _, host = endpoint.rpartition("://")
        given |= {"endpoint_override": host.rstrip("/"), "scheme": scheme or "https"}
    if "region" not in given and "endpoint_override" not in given and not _region_set():
        place = f"s3://{bucket}"
        given["region"] = again(lambda: fs.resolve_s3_region(bucket), place)
    later = {"allow_delayed_open": True} if "allow_delayed_open" in (fs.S3FileSystem.__doc__ or "") else {}
    # Repeated by `again`, which counts; the library's own repetitions would multiply with these.
    once = fs.AwsStandardS3RetryStrategy(max_attempts=1)
    return fs.S3FileSystem(connect_timeout=_CONNECT, request_timeout=_WAIT, retry_strategy=once, **later, **given)


def _region_set() -> bool:
    return any(os.environ.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION"))


@functools.cache
def _gcs(bucket: str, user: tuple[str, str], options: tuple[tuple[str, str], ...]) -> Any:
    from pyarrow import fs

    given = _known(options, _GCS, f"gs://{bucket}")
    limit = float(given.pop("retry_limit_seconds", _GCS_WAIT))
    anonymous = user[0] == "anonymous" or given.pop("anonymous", "") == "true"
    return fs.GcsFileSystem(anonymous=anonymous, retry_time_limit=timedelta(seconds=limit), **given)


@functools.cache
def _azure(account: str, key: str, domain: str, options: tuple[tuple[str, str], ...], shown: str) -> Any:
    """Return the store of an account; pyarrow, given the whole address, asks without the key that stands in it."""
    from pyarrow import fs

    given = _known(options, _AZURE, shown)
    scheme = "http" if given.pop("enable_tls", "") == "false" else "https"
    given = {
        "blob_storage_authority": f".blob.{domain}", "dfs_storage_authority": f".dfs.{domain}",
        "blob_storage_scheme": scheme, "dfs_storage_scheme": scheme,
    } | given  # fmt: skip
    if not given.keys() & {"account_key", "sas_token", "client_id"}:
        secret = key or os.environ.get("AZURE_STORAGE_KEY", "")
        token = "" if secret else os.environ.get("AZURE_STORAGE_SAS_TOKEN", "")
        given |= {"account_key": secret} if secret else {"sas_token": token} if token else {}
    try:
        return fs.AzureFileSystem(account, **given)
    except ValueError as problem:
        raise UsageError(f"{shown}: {_first(problem)}; check the options of the address") from None


@functools.cache
def _native(scheme: str, authority: str, options: tuple[tuple[str, str], ...], shown: str) -> tuple[Any, str]:
    """Let pyarrow read the address of a container; keys are added as they are."""
    import pyarrow as pa
    from pyarrow import fs

    query = "&".join(f"{name}={value}" for name, value in options)
    try:
        files, base = fs.FileSystem.from_uri(f"{scheme}://{authority}/{f'?{query}' if query else ''}")
    except (pa.ArrowException, ValueError, TypeError):  # its words hold the whole address
        raise UsageError(
            f"{shown} is no address that pyarrow {pa.__version__} takes; write CONTAINER@ACCOUNT.dfs.core.windows.net "
            "for abfs, and only options that it knows"
        ) from None
    return files, base


def _by_fsspec(address: Address) -> tuple[Any, str]:
    files, path = _spoken(address.scheme, address.authority, address.key, address.options, str(address))
    return files, path


@functools.lru_cache(maxsize=256)
def _spoken(scheme: str, authority: str, key: str, options: tuple[tuple[str, str], ...], shown: str) -> tuple[Any, str]:
    from pyarrow import fs

    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise UsageError(f"{shown}: {scheme}:// needs fsspec, which is not installed: {_EXTRA}") from None
    query = "".join(f"?{value}" for name, value in options if not name)
    given = {name: value for name, value in options if name}
    try:
        found, path = url_to_fs(f"{scheme}://{authority}{'/' if key else ''}{key}{query}", **given)
    except ImportError as problem:
        raise UsageError(f"{shown}: {scheme}:// needs another package ({_first(problem)}): {_EXTRA}") from None
    except (ValueError, TypeError) as problem:
        raise UsageError(f"{shown}: fsspec knows no such place ({_first(problem)}); check the scheme") from None
    except OSError:
        raise PlaceError("the store cannot be reached") from None
    return fs.PyFileSystem(fs.FSSpecHandler(found)), path.rstrip("/")


def _first(problem: BaseException) -> str:
    """Return the first words of an error, no address among them."""
    from onnxmint.places.words import without_secrets

    return without_secrets(" ".join(str(problem).split()))[:120]


def _known(options: tuple[tuple[str, str], ...], names: set[str], place: str) -> dict[str, Any]:
    wrong = [name for name, _ in options if name not in names]
    if wrong:
        raise UsageError(f"{place}: option {wrong[0]!r} is not known there; known are {', '.join(sorted(names))}")
    return dict(options)
