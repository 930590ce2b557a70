-- spanledger_grafana: dashboards and alerts, which read the contract (schema/README.md) and nothing else.
--
-- Whoever may look at a dashboard can send any SQL with these rights. So no query takes the machine: half a minute
-- unless it asks for up to two, and memory that leaves the collector's inserts theirs. With readonly = 1 no other
-- setting can be changed; the driver sets a time limit with each query, so that one can.

CREATE USER IF NOT EXISTS spanledger_grafana IDENTIFIED WITH sha256_hash BY '{password_hash}';
ALTER USER spanledger_grafana IDENTIFIED WITH sha256_hash BY '{password_hash}'
    DROP ALL SETTINGS ADD SETTINGS
        readonly = 1,
        max_execution_time = 30 MIN 1 MAX 120 CHANGEABLE_IN_READONLY,
        max_memory_usage = 700000000 CONST,
        max_result_rows = 1000000 CONST;
GRANT
    SELECT ON {database}.adjustments_due,
    SELECT ON {database}.billed_days,
    SELECT ON {database}.billed_lines,
    SELECT ON {database}.budget_status,
    SELECT ON {database}.calls,
    SELECT ON {database}.charges,
    SELECT ON {database}.charges_by_day,
    SELECT ON {database}.closed_balances,
    SELECT ON {database}.closes,
    SELECT ON {database}.current_agency,
    SELECT ON {database}.current_budgets,
    SELECT ON {database}.current_clients,
    SELECT ON {database}.current_exchange_rates,
    SELECT ON {database}.current_terms,
    SELECT ON {database}.current_version,
    SELECT ON {database}.drift_rollup,
    SELECT ON {database}.drift_rows,
    SELECT ON {database}.due_days,
    SELECT ON {database}.due_quarters,
    SELECT ON {database}.duplicates,
    SELECT ON {database}.incomplete,
    SELECT ON {database}.local_days,
    SELECT ON {database}.local_months,
    SELECT ON {database}.margins,
    SELECT ON {database}.month_gaps,
    SELECT ON {database}.month_lines,
    SELECT ON {database}.month_unattributed,
    SELECT ON {database}.pipeline_freshness,
    SELECT ON {database}.price_list,
    SELECT ON {database}.rollup_freshness,
    SELECT ON {database}.trend,
    SELECT ON {database}.unattributed,
    SELECT ON {database}.unparsed,
    SELECT ON {database}.unpriced,
    SELECT ON {database}.usage_15m,
    SELECT ON {database}.usage_day
TO spanledger_grafana WITH REPLACE OPTION;
