#!/usr/bin/env python3
"""Makes router/money/prices/models_dev.toml out of a copy of models.dev (MIT):

    scripts/prices_from_models_dev.py FOLDER DATE > router/money/prices/models_dev.toml

FOLDER holds `providers/NAME/models/**.toml` and `models/PROVIDER/*.toml`; DATE is the day of the
copy. Kept are models that take text and give text, of providers that Hearth knows. Review the
difference before committing it: `hearth prices diff FILE`.
"""
import pathlib
import re
import sys
import tomllib
from decimal import Decimal

# Name at models.dev -> name of a row in router/providers/table.cc.
PROVIDERS = {
    "anthropic": "anthropic",
    "openai": "openai",
    "google": "gemini",
    "deepseek": "deepseek",
    "moonshotai": "moonshot",
    "zai": "zai",
    "alibaba": "dashscope",
    "togetherai": "together",
    "fireworks-ai": "fireworks",
    "mistral": "mistral",
    "groq": "groq",
    "xai": "xai",
}
# Not for conversations, though they take and give text.
OTHER_USES = re.compile(r"embed|moderation|realtime|ocr|-asr|livetranslate|-mt-|tts|whisper|guard|safeguard")
HEADER = """\
# Prices of remote models, in USD per million tokens. Made by scripts/prices_from_models_dev.py; do
# not edit: what is known better stands in by_hand.toml, which goes over this file.
#
# Source: models.dev (https://github.com/anomalyco/models.dev) as of {date}; `date` is the day on
# which the entry was last changed there.
# Copyright (c) 2025 models.dev. MIT License: permission is hereby granted, free of charge, to any
# person obtaining a copy of this software and associated documentation files, to deal in it without
# restriction, subject to this notice being included in all copies or substantial portions. It is
# provided "as is", without warranty of any kind.
"""


def number(value):
    text = format(Decimal(str(value)).normalize(), "f")
    if "." in text and len(text.split(".")[1]) > 6:
        sys.exit(f"{value}: more than six decimals")
    return text


def amounts(cost, provider):
    """`cost` of models.dev as our keys."""
    found = {"input": cost["input"]}
    # Who names no price for cached tokens gives no discount.
    found["cached"] = cost.get("cache_read", cost["input"])
    if cost.get("cache_write"):
        found["cache_write"] = cost["cache_write"]
    if provider == "anthropic":  # an hour in the cache: twice the input, says its price page
        found["cache_write_1h"] = Decimal(str(cost["input"])) * 2
    found["output"] = cost["output"]
    if "reasoning" in cost and cost["reasoning"] != cost["output"]:
        found["reasoning"] = cost["reasoning"]
    return found


def merged(base, over):
    out = dict(base)
    for key, value in over.items():
        out[key] = merged(out.get(key, {}), value) if isinstance(value, dict) else value
    return out


def read(path):
    return tomllib.loads(path.read_text(), parse_float=Decimal)


def entry(root, path, provider, model):
    own = read(path)
    base = own.get("base_model")
    facts = own
    if base and (root / "models" / f"{base}.toml").exists():
        facts = merged(read(root / "models" / f"{base}.toml"), own)
    cost = facts.get("cost", {})
    modalities = facts.get("modalities", {})
    if "input" not in cost or "output" not in cost or facts.get("status") == "deprecated":
        return None
    if "text" not in modalities.get("input", ["text"]) or modalities.get("output", ["text"]) != ["text"]:
        return None
    if OTHER_USES.search(model.lower()):
        return None
    lines = ["[[model]]", f'provider = "{provider}"', f'id = "{model}"']
    lines += [f"{key} = {number(value)}" for key, value in amounts(cost, provider).items()]
    tiers = []
    for tier in cost.get("tiers", []):
        keys = {"above": tier["tier"]["size"], **amounts(tier, provider)}
        tiers.append("{ " + ", ".join(f"{key} = {number(value)}" for key, value in keys.items()) + " }")
    if tiers:
        lines.append(f"rules = [ {', '.join(tiers)} ]")
    limit = facts.get("limit", {})
    if limit.get("context"):
        lines.append(f"context = {limit['context']}")
    if limit.get("output") and limit["output"] <= limit.get("context", limit["output"]):
        lines.append(f"max_output = {limit['output']}")
    lines.append(f"tools = {str(bool(facts.get('tool_call'))).lower()}")
    lines.append(f"images = {str('image' in modalities.get('input', [])).lower()}")
    date = facts.get("last_updated", "")
    if len(date) == len("2026-01"):  # of a month: its first day
        date += "-01"
    lines.append(f'source = "models.dev"\ndate = "{date}"')
    return "\n".join(lines)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    root, date = pathlib.Path(sys.argv[1]), sys.argv[2]
    print(HEADER.format(date=date))
    n = 0
    for theirs, ours in PROVIDERS.items():
        folder = root / "providers" / theirs / "models"
        for path in sorted(folder.rglob("*.toml")):
            model = str(path.relative_to(folder))[: -len(".toml")]
            if text := entry(root, path, ours, model):
                print(text + "\n")
                n += 1
    print(f"{n} models", file=sys.stderr)


main()
