-- spanledger_collector: hands in spans, and can read nothing. The views on the table write with migrate's rights.
-- The exporter asks for the table's columns before each insert where it speaks HTTP.

CREATE USER IF NOT EXISTS spanledger_collector IDENTIFIED WITH sha256_hash BY '{password_hash}';
ALTER USER spanledger_collector IDENTIFIED WITH sha256_hash BY '{password_hash}'
    DROP ALL SETTINGS;
GRANT INSERT, SHOW COLUMNS ON {database}.otel_traces TO spanledger_collector WITH REPLACE OPTION;
