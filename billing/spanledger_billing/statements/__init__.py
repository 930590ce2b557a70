"""Statements: a client's month as a document, and how it is written for people and programs.

    source (the ledger) ──▶ model.Statement ──▶ pdf, csv_file, json_file

A renderer writes what the document holds, looks nothing up and computes no money. What the client should
not see is taken out of the document before any of them gets it (`Statement.for_client`).
"""
