"""Whom the agency bills and on which terms: the file `clients.yaml`, checked, dated, and kept in the ledger.

documents   YAML as text with line numbers; the reader decides what is a number
kinds       what may stand at a place of the file; reads it, and describes it as JSON Schema
layout      the file itself, made of kinds
model       the terms as they hold, stretch by stretch: what everything else works with
resolving   from what the file says to the model; dates, rates and plans checked against each other
writing     from the model back to YAML
days        local days and months as UTC instants
tables      the model in the ledger, a version for each `apply`
differences what changes from one version to the next
applying    `clients apply`
"""
