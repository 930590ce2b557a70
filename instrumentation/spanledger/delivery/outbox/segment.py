"""A segment: a file that spans are appended to, with the position up to which they are delivered.

    magic 8 | version 2 | length of the destination 2 | delivered up to 8 | crc32 of that 4 | destination …
    records from byte 512 on

One `write` appends one record, in the thread that ended the call: the kernel puts concurrent appends behind
each other. The sender reads and marks through a descriptor of its own, since an appending one cannot write
in place. A mark that was not written (a kill between the collector's answer and the mark) or is damaged
makes spans arrive twice, which the ledger counts once.
"""

from __future__ import annotations

import errno
import json
import os
import struct
import weakref
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spanledger import health
from spanledger.delivery.outbox.descriptor import Descriptor
from spanledger.delivery.outbox.record import Damage, Record, scan

if TYPE_CHECKING:
    from pathlib import Path

    from spanledger.delivery.outbox.aside import Aside

MAGIC: Final = b"spanbox\n"
VERSION: Final = 1
FIRST_RECORD: Final = 512
SUFFIX: Final = ".spans"
_HEADER: Final = struct.Struct("<8sHH")
_MARK: Final = struct.Struct("<QI")
_DESTINATION_AT: Final = _HEADER.size + _MARK.size


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom the spans are for: only who sends to the same address as the same sender may send them."""

    url: str
    """For people. Cut where it is long."""
    sender: str
    """A fingerprint of address, token and headers."""


class UnknownVersionError(Exception):
    """Another version of spanledger wrote this segment; it is left alone."""


class DamagedHeaderError(Exception):
    """Whose spans these are cannot be read."""


class Writer:
    """Appends to one segment, from any thread. As long as one refers to it, more may come."""

    __slots__ = ("__weakref__", "_descriptor", "_lock", "opened_at", "written")

    def __init__(self, descriptor: Descriptor, lock: Descriptor | None, opened_at: float) -> None:
        self._descriptor = descriptor
        self._lock = lock  # of the box, which nobody else may get meanwhile
        self.opened_at = opened_at
        self.written = 0
        """Bytes; a sum that threads may race for."""

    def append(self, record: bytes) -> None:
        """Raises OSError where not all of it was written."""
        written = os.write(self._descriptor.number, record)
        self.written += written
        if written != len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """In a forked child."""
        self._descriptor.close()


class Reader:
    """Reads one segment, for one sender at a time, and marks what is delivered."""

    def __init__(
        self,
        path: Path,
        descriptor: Descriptor,
        destination: Destination,
        delivered: int = FIRST_RECORD,
        lock: Descriptor | None = None,
    ) -> None:
        self.path = path
        self.destination = destination
        self.position = delivered
        self.synced = 0
        """Size that is known to survive a power loss."""
        self.descriptor = descriptor
        self._lock = lock
        self._writer: weakref.ref[Writer] | None = None

    @property
    def writer(self) -> Writer | None:
        """Who may still append."""
        return None if self._writer is None else self._writer()

    def follow(self, writer: Writer) -> None:
        """Expect more, as long as somebody refers to `writer`."""
        self._writer = weakref.ref(writer)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self.descriptor.number).st_size

    @property
    def unsynced(self) -> int:
        """Bytes that are not delivered, and that a power loss can take."""
        return max(0, self.size - self._safe)

    @property
    def _safe(self) -> int:
        return max(self.synced, self.position)

    def read(self, spans: int, size: int, aside: Aside) -> list[Record]:
        """The oldest records not delivered, up to a number and a size, at least one if there is any.

        What is damaged before them is put aside and passed by.
        """
        final = self.writer is None  # before the size is looked at: from then on nothing is added
        begin = self.position
        data = self.rest()
        batch: list[Record] = []
        for found in scan(data, final=final):
            if isinstance(found, Damage):
                if batch:
                    break
                aside.damaged(self.path, begin + found.start, data[found.start : found.end], torn=found.torn)
                self.mark(begin + found.end)
                continue
            size -= found.span.size
            if batch and (size < 0 or len(batch) >= spans):
                break
            batch.append(Record(begin + found.start, begin + found.end, found.written_ns, found.span))
        return batch

    def finished(self) -> bool:
        """Whether all is delivered and nothing can come."""
        return self.writer is None and self.position >= self.size

    def mark(self, position: int) -> None:
        """All before `position` is done with."""
        self.position = position
        try:
            os.pwrite(self.descriptor.number, _mark(position), _HEADER.size)
        except OSError as error:
            health.count(
                "outbox_disturbed",
                log=f"what is delivered cannot be marked in the outbox ({error.strerror}); after a kill it is"
                " sent again, and counts once",
            )

    def sync(self) -> None:
        """Have the disk keep what is written and not delivered."""
        size = self.size
        if size > self._safe:
            os.fsync(self.descriptor.number)
            if not self.synced:  # a file whose name is lost is lost as well
                try:
                    _sync_folder(self.path.parent)
                    _sync_folder(self.path.parent.parent)
                except FileNotFoundError:
                    return  # all was delivered meanwhile, and the box deleted
            self.synced = size

    def forget(self) -> None:
        """In a forked child: close what is the parent's."""
        writer = self.writer
        if writer is not None:
            writer.close()
        self.descriptor.close()

    def remove(self) -> None:
        """Delete the file: all of it is done with."""
        self.path.unlink(missing_ok=True)

    def rest(self) -> bytes:
        """Everything not delivered, damaged or not."""
        parts, at = [], self.position
        while part := os.pread(self.descriptor.number, max(1, self.size - at), at):
            parts.append(part)
            at += len(part)
            if at >= self.size:
                break
        return b"".join(parts)


def create(
    path: Path, destination: Destination, opened_at: float, lock: Descriptor | None = None
) -> tuple[Writer, Reader]:
    """A new segment. `lock` is held as long as either is in use. Raises OSError."""
    flags = os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = Descriptor(os.open(path, os.O_RDWR | flags, 0o600))
    header = _header(destination)
    if os.write(descriptor.number, header) != len(header):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    appending = Descriptor(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW))
    writer = Writer(appending, lock, opened_at)
    reader = Reader(path, descriptor, destination, lock=lock)
    reader.follow(writer)
    return writer, reader


def open_segment(path: Path, *, read_only: bool = False) -> Reader:
    """A segment that somebody left. Raises OSError, UnknownVersionError or DamagedHeaderError."""
    access = os.O_RDONLY if read_only else os.O_RDWR
    descriptor = Descriptor(os.open(path, access | os.O_CLOEXEC | os.O_NOFOLLOW))
    destination, delivered = _read_header(os.pread(descriptor.number, FIRST_RECORD, 0))
    return Reader(path, descriptor, destination, delivered)


def _sync_folder(path: Path) -> None:
    folder = Descriptor(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    os.fsync(folder.number)


def _header(destination: Destination) -> bytes:
    room = FIRST_RECORD - _DESTINATION_AT
    text = json.dumps([destination.url[:200], destination.sender]).encode()
    if len(text) > room:
        text = json.dumps(["", destination.sender]).encode()
    header = _HEADER.pack(MAGIC, VERSION, len(text)) + _mark(FIRST_RECORD) + text
    return header.ljust(FIRST_RECORD, b"\0")


def _read_header(header: bytes) -> tuple[Destination, int]:
    if len(header) < FIRST_RECORD or not header.startswith(MAGIC):
        raise DamagedHeaderError
    _, version, length = _HEADER.unpack_from(header)
    if version != VERSION:
        raise UnknownVersionError
    try:
        url, sender = json.loads(header[_DESTINATION_AT : _DESTINATION_AT + length])
    except ValueError:
        raise DamagedHeaderError from None
    position, crc = _MARK.unpack_from(header, _HEADER.size)
    good = zlib.crc32(struct.pack("<Q", position)) == crc and position >= FIRST_RECORD
    return Destination(str(url), str(sender)), position if good else FIRST_RECORD


def _mark(position: int) -> bytes:
    return _MARK.pack(position, zlib.crc32(struct.pack("<Q", position)))
