"""How the processes of a run talk: messages with their lengths, and what the child says as it runs.

The child says that its solver is made, then that it is ready, then any number of times how it
stands, then what its answer is.
Nothing of that is trusted: what is not of this form is no answer.
"""

import socket
import struct
from collections.abc import Callable
from typing import Annotated

import msgspec

MAX_ANSWER = 64 << 20  # bytes; a plan of a million moves has 20 MB
MAX_CLAIM = 2**62  # costs and bounds beyond it are refused: sums of two still fit into 64 bits
MADE, READY, NEWS, ANSWER = b"M", b"R", b"N", b"A"  # kinds of what the child says
HEAD = struct.Struct(">cQ")  # kind and length
_PACKET = 1 << 16  # bytes that are joined rather than sent one by one
_SIZE = struct.Struct(">Q")
_MAX_ROWS = 10_000  # reports whose costs and bounds are kept, and the last one

Cost = Annotated[int, msgspec.Meta(ge=-MAX_CLAIM, le=MAX_CLAIM)]
Row = tuple[float, int | None, int | None]  # seconds, cost, bound


class News(msgspec.Struct, frozen=True):
    """How a run stands: claimed cost of the plan that follows, if one does, and bound."""

    cost: Cost | None = None
    bound: Cost | None = None


def said(kind: bytes, body: bytes = b"") -> bytes:
    """Return what the child writes to say something."""
    return HEAD.pack(kind, len(body)) + body


def news(found: News, plan: bytes) -> bytes:
    """Return what the child writes to say how it stands; `plan` is empty or a document."""
    return said(NEWS, msgspec.json.encode(found) + b"\n" + plan)


class Ear:
    """Takes what the child says as it comes in, and keeps what counts.

    Parameters
    ----------
    clock
        Returns the seconds since the child was ready.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._buffer = clock, bytearray()
        self._answer: bytes | None = None
        self.made = self.ready = False
        self.plan = b""
        self.rows: list[Row] = []

    @property
    def answer(self) -> bytes:
        """The child's answer, empty if it is not complete, or more follows."""
        return b"" if self._buffer or self._answer is None else self._answer

    @property
    def size(self) -> int:
        """Bytes that have come in and are kept."""
        return len(self._buffer) + len(self._answer or b"") + len(self.plan)

    def take(self, data: bytes) -> None:
        """Take some more bytes."""
        self._buffer += data
        while self._answer is None and len(self._buffer) >= HEAD.size:
            kind, size = HEAD.unpack_from(self._buffer)
            end = HEAD.size + size
            if kind not in (MADE, READY, NEWS, ANSWER) or len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEAD.size : end])
            del self._buffer[:end]
            if kind == MADE:
                self.made = True
            elif kind == READY:
                self.ready = True
            elif kind == ANSWER:
                self._answer = body
            else:
                self._note(body)

    def _note(self, body: bytes) -> None:
        head, _, plan = body.partition(b"\n")
        try:
            found = msgspec.json.decode(head, type=News)
        except msgspec.DecodeError:  # not our words: it says nothing
            return
        self.plan = plan or self.plan
        before = self.rows[-1][1:] if self.rows else (None, None)
        cost = found.cost if plan else before[0]
        bound = found.bound if found.bound is not None else before[1]
        if len(self.rows) >= _MAX_ROWS:
            self.rows.pop()
        self.rows.append((self._clock(), cost, bound))


def send(connection: socket.socket, *messages: bytes) -> None:
    """Send messages, each preceded by its length."""
    parts = [part for message in messages for part in (_SIZE.pack(len(message)), message)]
    if sum(map(len, parts)) <= _PACKET:
        connection.sendall(b"".join(parts))
        return
    for part in parts:
        connection.sendall(part)


def receive(connection: socket.socket) -> bytes:
    """Receive one message.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    (size,) = _SIZE.unpack(_exactly(connection, _SIZE.size))
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray(connection.recv(size) if 0 < size <= _PACKET else b"")
    while len(data) < size:
        part = connection.recv(min(size - len(data), 1 << 20))
        if not part:
            raise EOFError("the connection ended")
        data += part
    return bytes(data)
