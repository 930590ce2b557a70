-- price_facts: one row per fact that the price lists leave out and a price depends on, with its source.
--
-- kind, subject -> value:
--   provider    gen_ai.provider.name, or host:NAME where that is unknown -> the provider whose list prices it
--   service_tier, traffic_type, speed
--               a word of a provider's -> `circumstance=value`, or `usual` where it changes no price
--   tool        provider/server tool, or just server tool -> the unit that it is sold as
--   free        provider/unit -> why it costs nothing
--   multiplier  provider/attribute/value -> factor on every price per token
--   authority   provider whose own statement of a call's cost is what it bills
-- The operator may add rows; the latest for a subject counts, from the next `spanledger prices sync` on, which
-- takes them into the price list: what a call costs hangs on them, so they are kept by version like prices.

CREATE TABLE IF NOT EXISTS {database}.price_facts
(
    kind LowCardinality(String),
    subject String,
    value String,
    source String,
    added_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
-- Replacing, so that a fact is corrected by stating it again.
ENGINE = {engine:ReplacingMergeTree(added_at)}
-- A fact is looked up by what it is about.
ORDER BY (kind, subject);

INSERT INTO {database}.price_facts (kind, subject, value, source) VALUES
    ('provider', 'openai', 'openai', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'azure.ai.openai', 'azure', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'azure.ai.inference', 'azure', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'anthropic', 'anthropic', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'aws.bedrock', 'aws', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'gcp.gemini', 'google', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'gcp.vertex_ai', 'google', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'gcp.gen_ai', 'google', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'mistral_ai', 'mistral', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'cohere', 'cohere', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'groq', 'groq', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'deepseek', 'deepseek', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'x_ai', 'x-ai', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'perplexity', 'perplexity', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'moonshot_ai', 'moonshotai', 'OpenTelemetry GenAI conventions; genai-prices'),
    ('provider', 'openrouter', 'openrouter', 'genai-prices'),
    ('provider', 'together', 'together', 'genai-prices'),
    ('provider', 'fireworks', 'fireworks', 'genai-prices'),
    ('provider', 'cerebras', 'cerebras', 'genai-prices'),
    ('provider', 'voyageai', 'voyageai', 'genai-prices'),
    ('provider', 'zai', 'zai', 'genai-prices'),
    ('service_tier', 'auto', 'usual', 'OpenAI: what the account defaults to'),
    ('service_tier', 'default', 'usual', 'OpenAI, Bedrock: standard processing'),
    ('service_tier', 'standard', 'usual', 'Anthropic, Gemini, Mistral: standard processing'),
    ('service_tier', 'standard_only', 'usual', 'Anthropic: standard processing'),
    ('service_tier', 'on_demand', 'usual', 'Groq: pay as you go'),
    ('service_tier', 'batch', 'processing=batch', 'OpenAI, Anthropic: batch APIs'),
    ('service_tier', 'flex', 'service_tier=flex', 'OpenAI, Gemini: flex processing'),
    ('service_tier', 'priority', 'service_tier=priority', 'OpenAI, Gemini: priority processing'),
    ('service_tier', 'fast', 'service_tier=fast', 'OpenAI: its newer word for priority'),
    ('traffic_type', 'on_demand', 'usual', 'Vertex: pay as you go'),
    ('traffic_type', 'on_demand_flex', 'service_tier=flex', 'Vertex: flex pay as you go'),
    ('traffic_type', 'on_demand_priority', 'service_tier=priority', 'Vertex: priority pay as you go'),
    ('speed', 'standard', 'usual', 'Anthropic: without fast mode'),
    ('speed', 'fast', 'speed=fast', 'Anthropic: fast mode'),
    ('tool', 'web_search', 'web_search', 'genai-prices web_searches'),
    ('tool', 'google_search', 'web_search', 'genai-prices web_searches: Gemini bills each query'),
    ('tool', 'x_search', 'social_search', 'genai-prices social_searches'),
    ('tool', 'file_search', 'storage_search', 'genai-prices storage_searches'),
    ('tool', 'collections_search', 'storage_search', 'genai-prices storage_searches'),
    ('tool', 'code_execution', 'code_execution', 'genai-prices code_executions'),
    ('free', 'anthropic/tool:web_fetch', 'no charge beyond tokens',
        'https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-fetch-tool'),
    ('multiplier', 'anthropic/inference_geo/us', '1.1',
        'https://platform.claude.com/docs/en/about-claude/pricing: US-only inference'),
    ('authority', 'openrouter', 'usage.cost', 'https://openrouter.ai/docs/use-cases/usage-accounting'),
    ('authority', 'x_ai', 'cost_in_usd_ticks', 'https://docs.x.ai/docs'),
    ('authority', 'perplexity', 'usage.cost.total_cost', 'https://docs.perplexity.ai');
