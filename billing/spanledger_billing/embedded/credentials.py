"""Who may ask the endpoint what.

chDB knows no users, so the endpoint offers two identities of its own, each with a password drawn at the
first start into a file of the data folder that only its owner can read:

    spanledger  file `password`         everything: the collector, migrations, the command line
    reader      file `reader-password`  SELECT only, with nothing but the ledger in reach: dashboards
"""

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OWNER: Final = "spanledger"
READER: Final = "reader"
PASSWORD_FILES: Final = {OWNER: "password", READER: "reader-password"}


@dataclass(frozen=True)
class Identity:
    name: str

    @property
    def reads_only(self) -> bool:
        return self.name == READER


def password(data_folder: Path, user: str = OWNER) -> str:
    """The user's password; drawn and kept when it is asked for the first time."""
    return drawn(data_folder / PASSWORD_FILES[user])


def drawn(path: Path) -> str:
    """The password in a file; drawn, and the file made for its owner only, where it is not there."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        pass
    word = secrets.token_urlsafe(32)
    # Written whole under another name and linked: of two processes that start at once, one draws, and
    # neither ever reads half a password.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(word + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return drawn(path)
    finally:
        draft.unlink()
    return word


class Gatekeeper:
    """Tells from a request who asks."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = {user: word.encode() for user, word in passwords.items()}

    def identify(self, headers: Mapping[str, str], parameters: Mapping[str, str]) -> Identity | None:
        """The identity, or None where name and password are not to be found or do not match.

        In ClickHouse's order: `X-ClickHouse-User` and `-Key`, Basic authentication, URL parameters.
        """
        user, word = _claimed(headers, parameters)
        # Compared whoever is named, so that the time taken tells nothing.
        expected = self._passwords.get(user, b"\0")
        same = hmac.compare_digest(expected, word.encode("utf-8", "surrogateescape"))
        return Identity(user) if same and user in self._passwords else None


def _claimed(headers: Mapping[str, str], parameters: Mapping[str, str]) -> tuple[str, str]:
    if headers.get("X-ClickHouse-User") or headers.get("X-ClickHouse-Key"):
        return headers.get("X-ClickHouse-User") or "", headers.get("X-ClickHouse-Key") or ""
    scheme, _, value = (headers.get("Authorization") or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(value.strip(), validate=True).decode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError):
            return "", ""
        user, _, word = decoded.partition(":")
        return user, word
    return parameters.get("user", ""), parameters.get("password", "")
