"""The worker's end of the socket between it and its host: whole frames, in and out."""

from __future__ import annotations

import select
import socket

from .wire import HEADER, REQUEST, Message, Request, pack


class Frames:
    """Blocking: for the time that a worker runs one `def` after the other."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel

    def send(self, message: Message) -> None:
        self.channel.sendall(pack(message))

    def receive(self) -> Request | None:
        """The next request; None when the host has hung up."""
        header = self._read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        return REQUEST.validate_json(self._read(HEADER.unpack(header)[0]))

    def waiting(self) -> bool:
        """Has the host said something, or hung up?"""
        return bool(select.select([self.channel], [], [], 0)[0])

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.channel.recv(min(size - len(data), 1 << 20))
            if not piece:
                break
            data += piece
        return bytes(data)
