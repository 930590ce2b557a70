"""A local stand-in for OpenAI, Anthropic and Google that keeps books.

It speaks enough of the three wire formats for the real SDKs and draws each call's figures into its
books before it renders them to the wire, so the books are what a ledger can be checked against. Nothing
here imports anything of spanledger: what the two agree on, they agree on over the wire.
"""
