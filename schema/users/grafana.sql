-- spanledger_grafana: dashboards and alerts, which read the contract (schema/README.md) and nothing else; and of it no view
-- that reads every call there is.
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
    SELECT ON {database}.billed_days,
    SELECT ON {database}.billed_days_usd,
    SELECT ON {database}.billed_lines,
    SELECT ON {database}.budget_status,
    SELECT ON {database}.budgets_at_risk,
    SELECT ON {database}.budgets_reached,
    SELECT ON {database}.charges,
    SELECT ON {database}.charges_by_day,
    SELECT ON {database}.closes,
    SELECT ON {database}.closes_overdue,
    SELECT ON {database}.current_agency,
    SELECT ON {database}.current_budgets,
    SELECT ON {database}.current_clients,
    SELECT ON {database}.current_exchange_rates,
    SELECT ON {database}.current_senders,
    SELECT ON {database}.current_terms,
    SELECT ON {database}.current_version,
    SELECT ON {database}.drift_checks,
    SELECT ON {database}.drift_found,
    SELECT ON {database}.incomplete_usage,
    SELECT ON {database}.local_days,
    SELECT ON {database}.local_months,
    SELECT ON {database}.losses,
    SELECT ON {database}.margins,
    SELECT ON {database}.month_gaps,
    SELECT ON {database}.month_lines,
    SELECT ON {database}.month_unattributed,
    SELECT ON {database}.pipeline_stalls,
    SELECT ON {database}.present_months,
    SELECT ON {database}.price_list,
    SELECT ON {database}.recorded_calls,
    SELECT ON {database}.rollup_freshness,
    SELECT ON {database}.sender_refusals,
    SELECT ON {database}.shown_months,
    SELECT ON {database}.span_arrivals,
    SELECT ON {database}.spend_today,
    SELECT ON {database}.trend,
    SELECT ON {database}.unbilled_calls,
    SELECT ON {database}.unpriced_models,
    SELECT ON {database}.usage_by_day,
    SELECT ON {database}.usage_by_quarter_hour
TO spanledger_grafana WITH REPLACE OPTION;
