-- spanledger_migrate: makes and changes the ledger's tables and views, with whose rights the views then read.

CREATE USER IF NOT EXISTS spanledger_migrate IDENTIFIED WITH sha256_hash BY '{password_hash}';
ALTER USER spanledger_migrate IDENTIFIED WITH sha256_hash BY '{password_hash}'
    DROP ALL SETTINGS;
GRANT ALL ON {database}.* TO spanledger_migrate WITH REPLACE OPTION;
