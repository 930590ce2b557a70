-- spanledger_billing: the command line. It reads all and adds rows (prices, clients, closes, repriced calls); it changes
-- and deletes none, and what arrived is no business of its own.

CREATE USER IF NOT EXISTS spanledger_billing IDENTIFIED WITH sha256_hash BY '{password_hash}';
ALTER USER spanledger_billing IDENTIFIED WITH sha256_hash BY '{password_hash}'
    DROP ALL SETTINGS;
GRANT SELECT, INSERT, SYSTEM VIEWS ON {database}.* TO spanledger_billing WITH REPLACE OPTION;
REVOKE INSERT ON {database}.otel_traces FROM spanledger_billing;
