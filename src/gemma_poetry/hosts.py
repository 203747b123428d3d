"""Where a server of ours listens, and whom it answers: whoever asked for it by a name that it has, from itself.

In: an address to listen on; the headers of a request, and the names that the server is reached under. Out: whether the address
is free, and reached from this machine alone; whether a request came by another name or site.

A page that listens on this machine alone can still be reached by any site that its reader has open: the site's own name is
made to lead to 127.0.0.1, and the browser takes the page for the site's (DNS rebinding). So a host that is a name must be one
of ours; an address in numbers cannot be rebound. And what a page of another origin sends, be it another port of this machine,
is refused whatever cookies it carries.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Sequence
from functools import cache
from urllib.parse import urlsplit

from gemma_poetry.errors import UsageError
from gemma_poetry.languages import _

LOOPBACK = frozenset({"localhost"})
"""Names that lead to this machine everywhere."""


def is_foreign(headers: Sequence[tuple[bytes, bytes]], hosts: Collection[str]) -> bool:
    """Whether a request was meant for another host, or sent by a page of another.

    Args:
        headers: Name, in lower case, and value of each header.
        hosts: The names that the page is reached under, in lower case.
    """
    named = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(named) != 1 or not _is_ours(named[0], hosts):
        return True
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    return any(_place(origin.partition("://")[2]) != _place(named[0]) for origin in origins)


def _place(authority: str) -> tuple[str, str]:
    """Host and port as one is compared with another; a port that goes without saying is left out."""
    host, port = _split(authority)
    return host, "" if port in ("80", "443") else port


def _split(authority: str) -> tuple[str, str]:
    """Host, in lower case, and port of `host:port`; an empty host for anything else."""
    try:
        parts = urlsplit(f"//{authority}")
        port = parts.port
    except ValueError:
        return "", ""
    plain = parts.netloc == authority and "@" not in authority and parts.hostname
    return (str(parts.hostname).lower().rstrip("."), "" if port is None else str(port)) if plain else ("", "")


def _is_ours(authority: str, hosts: Collection[str]) -> bool:
    host, _unused = _split(authority)
    if not host:
        return False
    if host in hosts or host in _own_names():
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@cache
def _own_names() -> frozenset[str]:
    """What this machine is called in its own network."""
    name = socket.gethostname().lower()
    return frozenset({name, f"{name}.local"} - {""})


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_free(host: str, port: int) -> None:
    """Makes sure that the address can be listened on.

    Raises:
        UsageError: It cannot.
    """
    try:
        family, kind, protocol, _unused, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        raise UsageError(
            _(
                "cannot listen on {host} port {port} ({reason})",
                host=host,
                port=port,
                reason=getattr(error, "strerror", None) or error,
            ),
            expected=_("an address of this machine and a free port"),
            action=_("choose another --host or --port"),
        ) from error


def shown_host(host: str) -> str:
    """A host as it stands in an address: of IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
