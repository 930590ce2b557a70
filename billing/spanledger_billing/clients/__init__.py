"""Whom the agency bills and on which terms: the file `clients.yaml`, checked, dated, and kept in the ledger.

The file:

- documents: YAML as text with line numbers; what is a number is decided where it is known.
- kinds, shapes: what may stand at a place; reads it, and describes it as JSON Schema.
- layout: the file itself, made of these.
- resolving, plans: from what the file says to the model; dates, rates and plans checked with each other.
- reading, writing: the whole way, there and back.

The model, and what follows from it:

- model: the terms as they hold, stretch by stretch.
- days: local days and months as stretches of UTC.
- describing, differences: terms, and what changes in them, in words.

The ledger:

- tables: the model in tables, a version for each apply.
- calendars: the days of all clients, years ahead.
- reaching: which closed months a change reaches into.
- applying: `spanledger clients apply`.
"""
