"""Where files go: a folder, or an object store that speaks S3. A file is there as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from penstock.connect.contract import RetriableError
from penstock.errors import ConfigError, ConnectorError

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

# What no waiting mends, in the words of the S3 client.
_NOT_LET_IN = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "NO_SUCH_BUCKET", "INVALID_CLIENT_TOKEN_ID", "HTTP status 403")


class Store(Protocol):
    """A place for files."""

    def put(self, path: PurePosixPath, data: bytes) -> None:
        """Put a file, over one that may be there. Raises RetriableError, or ConnectorError where we may not."""
        ...


class FolderStore:
    """Files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, path: PurePosixPath, data: bytes) -> None:
        """Write the file beside its place, and move it there once it is on the disk."""
        place = self._folder / path
        draft = place.with_name(f".{place.name}.part")  # the same name at each try: a killed one leaves nothing behind for long
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.parent.resolve().is_relative_to(self._folder.resolve()):
                raise ConnectorError(f"{place.parent} leads out of the folder {self._folder}.", mend="Take the symbolic link away.")
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(place)
            for folder in (place.parent, *place.parent.parents):  # new folders must last as well
                _sync(folder)
                if folder == self._folder:
                    break
        except OSError as error:
            raise RetriableError(f"{place} cannot be written: {error.strerror}.") from None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class S3Store:
    """Objects of a bucket."""

    def __init__(self, files: S3FileSystem, bucket: str, part_bytes: int, redact: Any) -> None:
        self._files, self._bucket, self._part_bytes, self._redact = files, bucket, part_bytes, redact

    def put(self, path: PurePosixPath, data: bytes) -> None:
        """Put the object: a small one at once, a large one in parts that become an object together at the end."""
        try:
            stream = self._files.open_output_stream(f"{self._bucket}/{path}")
            for start in range(0, len(data), self._part_bytes):
                stream.write(memoryview(data)[start : start + self._part_bytes])
            stream.close()
        except OSError as error:
            what = self._redact(f"{path} cannot be put into the bucket {self._bucket}: {' '.join(str(error).split())[:300]}")
            if any(word in str(error) for word in _NOT_LET_IN) or isinstance(error, FileNotFoundError | PermissionError):
                raise ConnectorError(what, mend="Check the bucket, the region and the keys, then restart the connector.") from None
            raise RetriableError(what) from None


def s3_store(options: Mapping[str, Any], redact: Any) -> S3Store:
    """The store of an `s3.bucket.name`. Raises ConfigError."""
    from pyarrow.fs import AwsDefaultS3RetryStrategy, S3FileSystem

    settings: dict[str, Any] = {}
    if (options["aws.access.key.id"] is None) != (options["aws.secret.access.key"] is None):
        raise ConfigError("'aws.access.key.id' and 'aws.secret.access.key' go together.")
    if options["aws.access.key.id"] is not None:
        keys = {"access_key": "aws.access.key.id", "secret_key": "aws.secret.access.key", "session_token": "aws.session.token"}
        settings |= {name: options[option] for name, option in keys.items() if options[option] is not None}
    if options["store.url"]:
        url = urlsplit(options["store.url"])
        if url.scheme not in ("http", "https") or not url.hostname or url.username or url.password:
            raise ConfigError("'store.url' is not the address of an object store.", mend="Write http://HOST:PORT, https://HOST or file:///FOLDER.")
        settings |= {"scheme": url.scheme, "endpoint_override": url.netloc, "force_virtual_addressing": not options["s3.path.style.access.enabled"]}
    if options["s3.proxy.url"]:
        settings["proxy_options"] = options["s3.proxy.url"]
    files = S3FileSystem(
        region=options["s3.region"],
        background_writes=False,
        allow_delayed_open=True,  # a small object is then one request
        connect_timeout=options["s3.connect.timeout.ms"] / 1000,
        request_timeout=options["s3.request.timeout.ms"] / 1000,
        retry_strategy=AwsDefaultS3RetryStrategy(max_attempts=options["s3.part.retries"] + 1),
        **settings,
    )
    return S3Store(files, options["s3.bucket.name"], options["s3.part.size"], redact)
