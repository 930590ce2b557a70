"""Prints schema/overrides.schema.json, made from the layout by which overrides.yaml is read."""

import json
import sys

from spanledger_billing.prices.overrides_layout import json_schema

sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
