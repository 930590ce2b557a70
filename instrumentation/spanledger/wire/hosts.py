"""Which provider answers at which host.

The names are those of the GenAI conventions (`gen_ai.provider.name`) where they have one. A host that
is not listed still counts if its answers have a known shape, as `_OTHER`; to list one, add a row and a
vector for its path.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_HOSTS: Final = (
    (r"(?:[a-z0-9-]+\.)?api\.openai\.com", "openai"),  # us., eu., ae., au., in., jp.: regional prices
    (r"[a-z0-9-]+\.(?:openai\.azure\.(?:com|us|cn)|cognitiveservices\.azure\.com)", "azure.ai.openai"),
    (r"[a-z0-9.-]+\.(?:services|models|inference)\.ai\.azure\.com", "azure.ai.inference"),
    (r"[a-z0-9.-]+\.inference\.ml\.azure\.com", "azure.ai.inference"),
    (r"api\.anthropic\.com", "anthropic"),
    (r"generativelanguage\.(?:mtls\.)?googleapis\.com", "gcp.gemini"),
    (r"(?:[a-z0-9-]+-)?aiplatform\.(?:mtls\.)?googleapis\.com", "gcp.vertex_ai"),
    (r"aiplatform\.[a-z0-9-]+\.rep\.googleapis\.com", "gcp.vertex_ai"),
    (r"(?:[a-z0-9-]+\.)?bedrock-(?:runtime|mantle)(?:-fips)?\.[a-z0-9.-]+", "aws.bedrock"),
    (r"(?:api|codestral)\.mistral\.ai", "mistral_ai"),
    (r"api\.cohere\.(?:com|ai)", "cohere"),
    (r"api\.groq\.com", "groq"),
    (r"api\.deepseek\.com", "deepseek"),
    (r"(?:[a-z0-9-]+\.)?api\.x\.ai", "x_ai"),
    (r"openrouter\.ai", "openrouter"),
    (r"api\.perplexity\.ai", "perplexity"),
    (r"api\.together\.(?:xyz|ai)", "together"),
    (r"api\.fireworks\.ai", "fireworks"),
    (r"api\.moonshot\.(?:ai|cn)", "moonshot_ai"),
    (r"ollama\.com", "ollama"),
    (r"[a-z0-9-]+\.ml\.cloud\.ibm\.com", "ibm.watsonx.ai"),
)
_PATTERN: Final = re.compile("|".join(f"({host})" for host, _ in _HOSTS))
_AMAZON: Final = re.compile(r".+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)")


@lru_cache(maxsize=1024)
def provider_of(host: str) -> str | None:
    match = _PATTERN.fullmatch(host)
    if match is None or match.lastindex is None:
        return None
    provider = _HOSTS[match.lastindex - 1][1]
    # A VPC endpoint puts names of its own before Amazon's; nothing else may.
    return None if provider == "aws.bedrock" and _AMAZON.fullmatch(host) is None else provider
