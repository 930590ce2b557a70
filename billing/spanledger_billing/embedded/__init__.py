"""Embedded mode: the ClickHouse engine (chDB) in a process of ours, behind ClickHouse's HTTP interface.

The very same collector, command line and Grafana data source then work on one machine without Docker.
`python -m spanledger_billing.embedded DATA` runs the endpoint alone; `spanledger up` runs it together with
the collector. What a caller of the endpoint may rely on:

- It answers 200 to an insert when the rows are on disk, synced: kill -9 and power loss keep them.
- Inserts have connections of their own: no query, however slow, holds them up.
- It listens on loopback only and asks for a password, which it draws itself into the data folder.

The modules, from the wire inwards: `server` (requests and answers), `body` (transfer and content
encodings), `credentials` (who asks), `statement` (what kind of SQL it is), `handshake` (the one answer that
is not the engine's own), `engine` (chDB). `folder` is the data folder, its lock and its addresses.
"""
