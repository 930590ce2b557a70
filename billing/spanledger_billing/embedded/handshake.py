"""The answer to clickhouse-go's first question, written by hand.

The driver (the collector's exporter and Grafana's data source) opens each connection with this query, reads
the answer in the Native format of the protocol revision it asked for, and reads every later answer in the
revision that the answer states. chDB writes Native of revision 0 whatever is asked. So this one answer is
encoded here in the revision asked for, and states revision 0.
"""

from typing import Final

SQL: Final = b"SELECT displayName(), version(), revision(), timezone()"


def is_handshake(sql: bytes) -> bool:
    return sql.strip().rstrip(b";") == SQL


def answer(version: str, timezone: str) -> bytes:
    """One Native block of one row: display name, version, revision 0, time zone."""
    # BlockInfo: field 1 is_overflows = 0, field 2 bucket_num = -1, end.
    block = bytearray(b"\x01\x00\x02\xff\xff\xff\xff\x00")
    columns = (
        (b"displayName()", b"String", _string(b"spanledger embedded")),
        (b"version()", b"String", _string(version.encode())),
        (b"revision()", b"UInt32", (0).to_bytes(4, "little")),
        (b"timezone()", b"String", _string(timezone.encode())),
    )
    block += _length(len(columns)) + _length(1)
    for name, type_name, value in columns:
        # The zero byte: no custom serialization.
        block += _string(name) + _string(type_name) + b"\x00" + value
    return bytes(block)


def _string(text: bytes) -> bytes:
    return _length(len(text)) + text


def _length(number: int) -> bytes:
    """LEB128, as ClickHouse writes every length."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
