"""The agency's ten clients, each with keys of its own, by which the providers' books tell them apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Client:
    """Whom the agency bills, and what it makes for them."""

    client_id: str
    project: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def api_key(self) -> str:
        return f"sk-demo-key-of-{self.client_id}"


CLIENTS: Final = (
    Client("alder-dental", "recall-letters", {"feature": "drafts"}),
    Client("brightside-realty", "listing-writer", {"feature": "listings", "market": "coast"}),
    Client("cobalt-legal", "contract-review", {"feature": "clauses"}),
    Client("dune-outdoor", "shop-assistant", {"feature": "chat"}),
    Client("elm-street-bakery", "menu-pictures", {"feature": "pictures"}),
    Client("fjord-shipping", "customs-forms", {"feature": "extraction", "team": "north"}),
    Client("glasswing-health", "visit-notes", {"feature": "transcripts"}),
    Client("harbor-credit-union", "member-answers", {"feature": "search"}),
    Client("ironwood-hr", "cv-screening", {"feature": "ranking"}),
    Client("juniper-travel", "trip-planner", {"feature": "chat"}),
)

HOUSE_KEY: Final = "sk-demo-key-of-nobody"
"""The agency's own key, for calls that nobody said a client for."""


def client_of(api_key: str) -> str | None:
    """The client whose key this is; None for the agency's own."""
    return next((client.client_id for client in CLIENTS if client.api_key == api_key), None)
