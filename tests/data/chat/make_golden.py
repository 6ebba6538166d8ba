#!/usr/bin/env python3
"""Renders templates/*.jinja with transformers' own environment and writes what came of it.

  pip install transformers==5.23.0 jinja2==3.1.6
  python3 make_golden.py

cases.json gets the variables of each case, golden/NAME.json the text of each case of one template,
or {"error": message} where the template raised ({"error": null} where Jinja or Python did).
"""

import json
import pathlib
from datetime import datetime

import jinja2
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
NOW = 1767268800  # 2026-01-01 12:00:00 UTC; the tests run in UTC


class FixedClock(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 1, 12, 0, 0)


chat_template_utils.datetime = FixedClock

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city, now & <soon>",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "City, e.g. \"Köln\""},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "default": 3},
            },
            "required": ["city"],
        },
    },
}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Full-text search\nover files",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string"},
                "filters": {
                    "type": "object",
                    "properties": {"glob": {"type": "array", "items": {"type": "string"}}},
                },
                "exact": {"type": "boolean"},
            },
            "required": ["query", "exact"],
        },
    },
}


def call(name, arguments, id="call00001"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


def tool(text, name="get_weather", id="call00001"):
    return {"role": "tool", "name": name, "tool_call_id": id, "content": text}


ARGUMENTS = {"city": "Zürich", "days": 2, "ratio": 0.5, "nested": {"a": [1, None, True]}}
ODD_TEXT = "  leading\n\n\ttabs \u00a0 nbsp, 日本語 🙂 'single' \"double\" {{ not }} {% a %} <|im_end|>\r\n trailing  \n\n"

CONVERSATIONS = {
    "user": dict(messages=[user("Hi there")], add_generation_prompt=True),
    "user_no_prompt": dict(messages=[user("Hi there")], add_generation_prompt=False),
    "system": dict(messages=[system("Be brief."), user("Hi")], add_generation_prompt=True),
    "turns": dict(
        messages=[system("Be brief."), user("One?"), assistant("1"), user("Two?"), assistant("2\n"), user("Three?")],
        add_generation_prompt=True,
    ),
    "ends_with_answer": dict(
        messages=[user("One?"), assistant("1")],
        add_generation_prompt=False,
    ),
    "tools": dict(messages=[user("Weather?")], tools=[WEATHER, SEARCH], add_generation_prompt=True),
    "system_tools": dict(
        messages=[system("Be brief."), user("Weather?")], tools=[WEATHER], add_generation_prompt=True
    ),
    "call_object": dict(
        messages=[
            user("Weather?"),
            assistant("", tool_calls=[call("get_weather", ARGUMENTS)]),
            tool('{"temp": 21}'),
            assistant("21 degrees."),
            user("Thanks"),
        ],
        tools=[WEATHER],
        add_generation_prompt=True,
    ),
    "call_string": dict(
        messages=[
            user("Weather?"),
            assistant("Let me look.", tool_calls=[call("get_weather", json.dumps(ARGUMENTS, ensure_ascii=False))]),
            tool("21 degrees\nand <sunny>"),
        ],
        tools=[WEATHER],
        add_generation_prompt=True,
    ),
    "call_null_content": dict(
        messages=[
            user("Weather?"),
            assistant(None, tool_calls=[call("get_weather", {"city": "Rome"})]),
            tool("21"),
        ],
        tools=[WEATHER],
        add_generation_prompt=True,
    ),
    "parallel_calls": dict(
        messages=[
            user("Both?"),
            assistant(
                "",
                tool_calls=[
                    call("get_weather", {"city": "Rome"}, "call00001"),
                    call("search", {"query": "a b", "exact": False}, "call00002"),
                ],
            ),
            tool("21", "get_weather", "call00001"),
            tool("none", "search", "call00002"),
        ],
        tools=[WEATHER, SEARCH],
        add_generation_prompt=True,
    ),
    "reasoning": dict(
        messages=[
            user("One?"),
            assistant("1", reasoning_content="Count.\nOne.", thinking="Count.\nOne."),
            user("Two?"),
            assistant(
                "",
                reasoning_content="Look it up.",
                thinking="Look it up.",
                tool_calls=[call("search", {"query": "two", "exact": True})],
            ),
            tool("2", "search"),
        ],
        tools=[SEARCH],
        add_generation_prompt=True,
    ),
    "thinking_off": dict(
        messages=[user("Hi")], add_generation_prompt=True, enable_thinking=False, thinking=False, reasoning_effort="low"
    ),
    "thinking_on": dict(
        messages=[user("Hi"), assistant("<think>\nhm\n</think>\n\nHello"), user("Again")],
        add_generation_prompt=True,
        enable_thinking=True,
        thinking=True,
        reasoning_effort="high",
    ),
    "odd_text": dict(messages=[system(ODD_TEXT), user(ODD_TEXT), assistant(ODD_TEXT), user("")], add_generation_prompt=True),
    "parts": dict(
        messages=[user([{"type": "text", "text": "One "}, {"type": "text", "text": "two"}])],
        add_generation_prompt=True,
    ),
    "developer": dict(
        messages=[{"role": "developer", "content": "Be exact."}, user("Hi")], add_generation_prompt=True
    ),
    "late_system": dict(
        messages=[user("Hi"), assistant("Hello"), system("Now be brief."), user("Ok?")], add_generation_prompt=True
    ),
    "tool_without_tools": dict(
        messages=[user("Weather?"), assistant("", tool_calls=[call("get_weather", {})]), tool("21")],
        add_generation_prompt=False,
    ),
    "empty": dict(messages=[], add_generation_prompt=True),
}


def render(compiled, variables):
    try:
        return compiled.render(**variables)
    except jinja2.exceptions.TemplateError as error:
        by_template = type(error) is jinja2.exceptions.TemplateError
        return {"error": str(error) if by_template else None}
    except Exception:
        return {"error": None}


def main():
    cases = {}
    for name, given in CONVERSATIONS.items():
        cases[name] = {"tools": None, "documents": None, "bos_token": "<s>", "eos_token": "</s>", **given}
    write(HERE / "cases.json", {"now": NOW, "cases": cases})
    (HERE / "golden").mkdir(exist_ok=True)
    for path in sorted((HERE / "templates").glob("*.jinja")):
        compiled = chat_template_utils._compile_jinja_template(path.read_text())
        golden = {name: render(compiled, variables) for name, variables in cases.items()}
        write(HERE / "golden" / (path.stem + ".json"), golden)


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main()
