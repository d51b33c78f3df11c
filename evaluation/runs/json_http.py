"""JSON over HTTP with the standard library: one server, bounded time and size, no redirects, no proxies."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from app.core.errors import InputError
from evaluation.output import printable

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
ANSWER_SECONDS = 600.0
"""For one answer as a whole: a server with a queue writes nothing before the answer is complete."""
CONNECT_SECONDS = 10.0

_CHUNK = 256 * 1024
_MESSAGE_AT_MOST = 300

T = TypeVar("T")


class NoAnswer(Exception):
    """No usable answer came, as the end of a sentence: it may come if the same is asked again."""


class NotUnderstood(NoAnswer):
    """An answer came, and is not what was promised."""


class Rejected(Exception):
    """The server said no: HTTP status and its own words, as the end of a sentence."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(f"answered with HTTP status {status}{f' ({message})' if message else ''}")
        self.status = status
        self.kind = kind
        """The server's name for the error, such as exceed_context_size_error; may be empty."""


@dataclass(frozen=True)
class Address:
    secure: bool
    host: str
    port: int
    path: str
    """What precedes /v1; no slash at its end."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.path}"


def parse_address(url: str) -> Address:
    """An address of a server, with /v1 or without. Raises InputError, which never repeats what may be a password."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InputError("The address of the server has characters that no address has.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError("The address of the server is none; give one such as http://127.0.0.1:8080.") from None
    if parts.username is not None or parts.password is not None:
        raise InputError("The address of the server holds a name or a password; a key belongs into INRO_OPENAI_KEY.")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("The address of the server must begin with http:// or https:// and name a computer.")
    if parts.query or parts.fragment:
        raise InputError("The address of the server has a ? or # in it; give one such as http://127.0.0.1:8080.")
    secure = parts.scheme == "https"
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return Address(secure, parts.hostname, port or (443 if secure else 80), path)


def check_key(key: str | None) -> str | None:
    """Raises InputError, without repeating it, for a key that would not stay within its header."""
    if not key:
        return None
    if not key.isascii() or not key.isprintable():
        raise InputError("The key in INRO_OPENAI_KEY has characters that no key has.")
    return key


class JsonClient:
    """Requests from several threads at once, each over a connection of its own."""

    def __init__(self, address: Address, key: str | None, seconds: float = ANSWER_SECONDS) -> None:
        self.address = address
        self._key = check_key(key)
        self._seconds = seconds
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False

    def get(self, path: str, type_: type[T]) -> T:
        """Raises NoAnswer or Rejected."""
        return self._ask("GET", path, None, type_)

    def post(self, path: str, body: dict[str, Any], type_: type[T]) -> T:
        """Raises NoAnswer or Rejected."""
        return self._ask("POST", path, msgspec.json.encode(body), type_)

    def close(self) -> None:
        """End the requests that other threads wait for, and refuse new ones."""
        with self._lock:
            self._closed = True
            for connected in self._open:
                with contextlib.suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def _ask(self, method: str, path: str, body: bytes | None, type_: type[T]) -> T:
        status, data = self._request(method, path, body)
        if status != 200:
            raise self._rejected(status, data)
        try:
            return msgspec.json.decode(data, type=type_)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise NotUnderstood(f"answered {path} with something that is not what its interface promises") from None

    def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        deadline = time.monotonic() + self._seconds
        headers = {"Accept": "application/json", "Content-Type": "application/json", "Connection": "close"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            with self._connected() as (connection, connected):
                connected.settimeout(_left(deadline))
                connection.request(method, self.address.path + path, body, headers)
                response = connection.getresponse()
                return response.status, self._body(connected, response, deadline)
        except TimeoutError:
            raise NoAnswer(f"did not answer within {self._seconds:g} seconds") from None
        except ssl.SSLError as error:
            raise NoAnswer(f"cannot be talked to over https ({error.reason or 'TLS failed'})") from None
        except ConnectionRefusedError:
            raise NoAnswer("does not listen there") from None
        except (OSError, http.client.HTTPException):
            raise NoAnswer("cannot be reached, or broke the connection off") from None

    @contextmanager
    def _connected(self) -> Iterator[tuple[http.client.HTTPConnection, socket.socket]]:
        """A connection, and its socket, which the connection forgets as soon as the server says that it will close."""
        address = self.address
        kind = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection
        connection = kind(address.host, address.port, timeout=min(CONNECT_SECONDS, self._seconds))
        connected: socket.socket | None = None
        try:
            self._check_open()
            connection.connect()
            connected = connection.sock
            with self._lock:
                self._check_open()
                self._open.add(connected)
            yield connection, connected
        finally:
            with self._lock:
                if connected is not None:
                    self._open.discard(connected)
            connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise NoAnswer("is no longer asked")

    @staticmethod
    def _body(connected: socket.socket, response: http.client.HTTPResponse, deadline: float) -> bytes:
        data = bytearray()
        while True:
            connected.settimeout(_left(deadline))
            chunk = response.read1(_CHUNK)
            if not chunk:
                break
            data += chunk
            if len(data) > MAX_RESPONSE_BYTES:
                raise NoAnswer(f"sent more than {MAX_RESPONSE_BYTES // 2**20} MiB at once")
        if response.length:
            raise NoAnswer("broke off in the middle of an answer")
        return bytes(data)

    def _rejected(self, status: int, data: bytes) -> Rejected:
        """llama-server and vLLM: {"error": {"message", "type", …}}; vLLM before 0.10: {"message", "type", …}."""
        try:
            found = msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = None
        error = found.get("error", found) if isinstance(found, dict) else None
        message, kind = (error.get("message"), error.get("type")) if isinstance(error, dict) else (None, None)
        words = " ".join(printable(message).split()) if isinstance(message, str) else ""
        if self._key:
            words = words.replace(self._key, "…")
        return Rejected(status, kind[:80] if isinstance(kind, str) else "", words[:_MESSAGE_AT_MOST].rstrip("."))


def _left(deadline: float) -> float:
    """What is left of the time, for the next operation of the socket. Raises TimeoutError."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
