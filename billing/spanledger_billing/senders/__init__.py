"""Senders: who shows which token, and which clients a call with it may bill.

The collector stamps every call with the hash of the token that its sender showed, where no app can forge it.
Once a file of senders is applied, a call counts for the client that it claims only where its sender may bill
that client; any other is unattributed, with a reason, and `spanledger attribute` gives it to somebody. What
arrived before an apply stays as it is.
"""
