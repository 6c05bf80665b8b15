"""Stands between a client and the server, and cuts the connection where a test says."""

from __future__ import annotations

import contextlib
import selectors
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

#: Where to cut: after so many bytes of COPY data, before COMMIT reaches the server, or before its answer comes back.
Cut = int | Literal["before commit", "after commit"] | None

_PORT = "5432"
_COMMIT = b"COMMIT\0"


class _Messages:
    """Splits what the client sends into messages of the protocol."""

    def __init__(self) -> None:
        self._data = b""
        self._started = False  # the first message has no type

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Each whole message: its type, and all of its bytes."""
        self._data += data
        while True:
            head = 1 if self._started else 0
            if len(self._data) < head + 4:
                return
            size = head + struct.unpack_from(">I", self._data, head)[0]
            if len(self._data) < size:
                return
            message, self._data = self._data[:size], self._data[size:]
            # SSLRequest and GSSENCRequest come before the startup message
            self._started = self._started or struct.unpack_from(">I", message, 4)[0] == 196608
            yield message[:head], message


class Proxy:
    """A socket beside the server's; a context manager.

    Args:
        dsn: of the server, which listens on a Unix socket.

    Attributes:
        dsn: the same database through here.
        cut: what happens to the next connection that gets so far; then it is None again.
    """

    def __init__(self, dsn: str) -> None:
        parameters = conninfo_to_dict(dsn)
        self._target = f"{parameters['host']}/.s.PGSQL.{parameters.get('port', _PORT)}"
        self._directory = tempfile.mkdtemp(prefix="dbperf-proxy-")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._directory}/.s.PGSQL.{_PORT}")
        self._listener.listen()
        self._threads: list[threading.Thread] = []
        self.dsn = make_conninfo(dsn, host=self._directory, port=_PORT, gssencmode="disable", sslmode="disable")
        self.cut: Cut = None

    def __enter__(self) -> Proxy:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        shutil.rmtree(self._directory)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self._target)
            _Session(self, client, server).run()


class _Session:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._messages = _Messages()
        self._copied = 0
        self._mute = False  # COMMIT was sent on, and its answer is not

    def run(self) -> None:
        """Until one of them hangs up, or the cut."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._client, selectors.EVENT_READ, self._from_client)
            selector.register(self._server, selectors.EVENT_READ, self._from_server)
            while all(key.data() for key, _ in selector.select()):
                pass

    def _from_server(self) -> bool:
        data = self._server.recv(1 << 16)
        if not data or self._mute:
            return False
        self._client.sendall(data)
        return True

    def _from_client(self) -> bool:
        data = self._client.recv(1 << 16)
        return bool(data) and all(self._forward(kind, message) for kind, message in self._messages.feed(data))

    def _forward(self, kind: bytes, message: bytes) -> bool:
        """Send *message* on; False if the connection ends here."""
        cut = self._proxy.cut
        if kind == b"d" and isinstance(cut, int):
            if self._copied + len(message) > cut:
                self._proxy.cut = None
                self._server.sendall(message[: max(cut - self._copied, 0)])
                return False
            self._copied += len(message)
        elif _COMMIT in message and kind in b"QP" and isinstance(cut, str):
            self._proxy.cut = None
            if cut == "before commit":
                return False
            self._mute = True
        self._server.sendall(message)
        return True
