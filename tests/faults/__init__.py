"""The pipeline under faults: whatever is done to it, the ledger says what the providers' books say.

`make faults` runs it, `make test` a short piece of it. Apps make calls without a pause; meanwhile faults are
done, each at a number of calls drawn from the seed. Calls and faults come in rounds. After each round the
apps are ended, what they left is sent by `python -m spanledger outbox flush`, and every call of the round is
compared with the books: whose it is, its model, and each unit to the token.

    app         the apps, as processes that can be killed at any moment
    apps        the same, as seen from here
    network     what stands between them and the collectors
    disk        a disk of its own, which can be full
    world       the pipeline, and a round
    kinds       the faults
    previous    a data folder that a former state of the schema, or of the code, has made
    books       the comparison
"""
