"""A file from the network, once: with a progress bar, resumed where it broke off, kept in a cache.

In: an address and a name in the cache. Out: the path of the complete file. What the file must contain is checked by
the caller, on the contents: code hosts do not promise that the archive of a commit stays the same byte for byte.
"""

from __future__ import annotations

import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from gemma_poetry.artifacts import cache_folder
from gemma_poetry.errors import OutputError, SourceError
from gemma_poetry.languages import _
from gemma_poetry.progress import steps

_CHUNK_BYTES = 2**18
_ATTEMPTS = 4
_PAUSE_SECONDS = 1.0
_TIMEOUT_SECONDS = 30


def fetch(address: str, name: str) -> Path:
    """The path of a cached file, downloaded first where it is not there.

    What an interrupted download left is continued, if the server says that it still serves the same file (ETag).

    Args:
        address: An http or https address.
        name: The file's name in the cache.

    Raises:
        SourceError: The address cannot be reached or does not serve the file.
        OutputError: The cache cannot be written.
    """
    target = cache_folder() / name
    if target.exists():
        return target
    partial, tag = target.with_name(f"{name}.part"), target.with_name(f"{name}.etag")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _continue_download(address, partial, tag)
                break
            except urllib.error.HTTPError as error:
                if error.code == 416:
                    partial.unlink(missing_ok=True)
                elif error.code < 500 and error.code != 429:
                    raise _unreachable(
                        address, _("the server answered {code} {reason}", code=error.code, reason=error.reason)
                    ) from error
                if attempt == _ATTEMPTS:
                    raise _unreachable(
                        address, _("the server answered {code} {reason}", code=error.code, reason=error.reason)
                    ) from error
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                if attempt == _ATTEMPTS:
                    raise _unreachable(address, str(getattr(error, "reason", error))) from error
            time.sleep(_PAUSE_SECONDS * 2 ** (attempt - 1))
        os.replace(partial, target)
        tag.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            _("the download cannot be kept ({reason})", reason=error.strerror or error),
            where=target,
            expected=_("a writable cache folder with enough free space"),
            action=_("free some space or set GEMMA_POETRY_CACHE to another folder"),
        ) from error
    return target


def forget(name: str) -> None:
    """Removes a file from the cache, so that the next call fetches it anew."""
    (cache_folder() / name).unlink(missing_ok=True)


def _continue_download(address: str, partial: Path, tag: Path) -> None:
    done = partial.stat().st_size if partial.exists() else 0
    etag = tag.read_text() if tag.exists() else ""
    request = urllib.request.Request(address, headers={"User-Agent": "gemma-poetry"})
    if done and etag:
        request.add_header("Range", f"bytes={done}-")
        request.add_header("If-Range", etag)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        resumed = response.status == 206
        if not resumed:
            done = 0
            tag.write_text(response.headers.get("ETag", ""))
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        if total is not None and shutil.disk_usage(partial.parent).free < total - done:
            raise OSError(28, os.strerror(28))
        with open(partial, "ab" if resumed else "wb") as stream, steps(_("Downloading"), total, bytes_=True) as advance:
            advance(done)
            while chunk := response.read(_CHUNK_BYTES):
                stream.write(chunk)
                advance(len(chunk))
        if total is not None and partial.stat().st_size < total:
            raise ConnectionError(
                _("the connection closed after {size} of {total} bytes", size=partial.stat().st_size, total=total)
            )


def _unreachable(address: str, found: str) -> SourceError:
    return SourceError(
        found,
        where=address,
        expected=_("the collection's archive"),
        action=_(
            "check the network and run the command again (it goes on where it "
            "stopped), or download the archive elsewhere and name it as --source"
        ),
    )
