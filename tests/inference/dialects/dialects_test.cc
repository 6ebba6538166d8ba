// What each family writes, well and badly, and what is read.
#include "dialects/dialect.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "inference/dialects/read.h"
#include "support/json.h"
#include "support/test_data.h"

namespace hearth::dialects {
namespace {

using testing::dialect_named;
using testing::read;
using testing::ReadOptions;

struct Case {
  std::string_view dialect;
  std::string text, expected;
  bool is_cut = false;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      // Hermes and Qwen
      {"hermes", "Just text.", "Just text."},
      {"hermes",
       "Let me look.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": "
       "\"Paris\"}}\n</tool_call>",
       R"(Let me look.[#0 get_weather {"city": "Paris"}])"},
      {"hermes",
       "<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>\n<tool_call>\n{\"name\":\"get_"
       "weather\",\"arguments\":{\"city\":\"Oslo\",\"days\":2}}\n</tool_call>",
       R"([#0 now {}][#1 get_weather {"city": "Oslo", "days": 2}])"},
      {"hermes", R"(<tool_call>{"arguments": {"city": "a"}, "name": "get_weather"}</tool_call>)",
       R"([#0 get_weather {"city": "a"}])"},
      {"hermes", R"(<tool_call>{"name": "now"}</tool_call> done)", "[#0 now {}]done"},
      {"hermes",
       R"(<tool_call>{"type":"function","function":{"name":"now","arguments":"{}"}}</tool_call>)",
       "[#0 now {}]"},
      // ... its slips
      {"hermes", R"(<tool_call>{"name": "get_weather", "arguments": {"city": "Rome"}})",
       R"([#0 get_weather {"city": "Rome"}])"},
      {"hermes", R"(<tool_call>{"name": "get_weather", "arguments": {"city": "Rome"}</tool_call>)",
       R"([#0 get_weather {"city": "Rome"}])"},
      {"hermes", R"(<tool_call>{'name': 'get_weather', 'arguments': {'wind': True, 'days': None}})",
       R"([#0 get_weather {"wind": true, "days": null}])"},
      {"hermes", R"(<tool_call>{"name": "get_weather", "arguments": {"city": 5, "days": "7",}})",
       R"([#0 get_weather {"city": "5", "days": 7}])"},
      {"hermes", R"(<tool_call>{"name": "edit", "arguments": "{\"path\": \"a\", \"at\": \"3\"}"})",
       R"([#0 edit {"path": "a", "at": 3}])"},
      {"hermes",
       R"(<tool_call>{"name": "edit", "arguments": {"old": {"a": [1, 2]}, "lines": "[1]"}})",
       R"([#0 edit {"old": "{\"a\": [1, 2]}", "lines": [1]}])"},
      {"hermes", "<tool_call>{\"name\": \"edit\", \"arguments\": {\"old\": \"a\nb\\'c\\d\"}}",
       R"([#0 edit {"old": "a\nb'c\\d"}])"},
      {"hermes", "<tool_call>I changed my mind.</tool_call>",
       "<tool_call>I changed my mind.</tool_call>"},
      {"hermes", R"(<tool_call>{"nome": "x"}</tool_call> so)",
       R"(<tool_call>{"nome": "x"}</tool_call> so)"},
      {"hermes", "```json\n{}\n``` and <tool", "```json\n{}\n``` and <tool"},
      {"hermes", "<tool_call>\n```json\n{\"name\": \"now\", \"arguments\": {}}\n```\n</tool_call>",
       "[#0 now {}]"},
      {"hermes", R"(<tool_call>{"name": "get_weather", "arguments": {"city": "Ro)",
       R"([#0 get_weather {"city": "Ro])", true},
      {"hermes", R"(<tool_call>{"name": "get_weather", "arguments": {"days": 1)",
       R"([#0 get_weather {"days": 1])", true},
      {"hermes", R"(<tool_call>{"name": "nobody", "arguments": {"x": 1}}</tool_call>)",
       R"([#0 nobody {"x": 1}])"},
      // Qwen3-Coder
      {"qwen_coder",
       "I will.\n<tool_call>\n<function=get_weather>\n<parameter=city>\nSan "
       "Francisco\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
       R"(I will.[#0 get_weather {"city": "San Francisco", "days": 3}])"},
      {"qwen_coder",
       "<function=edit>\n<parameter=old>\nline 1\n\nline \"3\"\n\n</parameter>\n<parameter=path>\n"
       "a.txt\n</parameter>\n</function>\n</tool_call>",
       R"([#0 edit {"old": "line 1\n\nline \"3\"\n", "path": "a.txt"}])"},
      {"qwen_coder",
       "<tool_call>\n<function=edit>\n<parameter=old>\nif </parameter> is code\n</parameter>\n"
       "</function>\n</tool_call>",
       R"([#0 edit {"old": "if </parameter> is code"}])"},
      {"qwen_coder",
       "<tool_call>\n<function=get_weather>\n<parameter=wind>\nTrue\n</parameter>\n<parameter="
       "days>\nmany\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n"
       "</function>\n</tool_call>",
       R"([#0 get_weather {"wind": true, "days": "many"}][#1 now {}])"},
      {"qwen_coder", "<tool_call>\nnothing\n</tool_call>", "<tool_call>\nnothing\n</tool_call>"},
      {"qwen_coder", "<function=edit>\n<parameter=at>\nnull\n</parameter>\n</function>",
       R"([#0 edit {"at": null}])"},
      {"qwen_coder", "<function=edit>\n<parameter=old>\nhalf", R"([#0 edit {"old": "half])", true},
      // GLM
      {"glm",
       "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Bonn</arg_value>\n<arg_key>"
       "days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
       R"([#0 get_weather {"city": "Bonn", "days": 2}])"},
      {"glm",
       "ok<tool_call>get_weather<arg_key>city</arg_key><arg_value>Bonn</arg_value></tool_call>"
       "<tool_call>now</tool_call>",
       R"(ok[#0 get_weather {"city": "Bonn"}][#1 now {}])"},
      {"glm",
       "<tool_call>edit\n<arg_key>options</arg_key>\n<arg_value>{\"a\": [1]}</arg_value>\n"
       "</tool_call>",
       R"([#0 edit {"options": {"a": [1]}}])"},
      // MiniMax
      {"minimax",
       "Sure.\n<minimax:tool_call>\n<invoke name=\"get_weather\">\n<parameter name=\"city\">Nice"
       "</parameter>\n<parameter name=\"days\">1</parameter>\n</invoke>\n<invoke name=\"now\">\n"
       "</invoke>\n</minimax:tool_call>",
       R"(Sure.[#0 get_weather {"city": "Nice", "days": 1}][#1 now {}])"},
      // DeepSeek
      {"deepseek",
       "Hm.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Lyon\"}"
       "<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><"
       "｜tool▁calls▁end｜>",
       R"(Hm.[#0 get_weather {"city": "Lyon"}][#1 now {}])"},
      {"deepseek",
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"
       "\"city\": "
       "\"Lyon\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
       R"([#0 get_weather {"city": "Lyon"}])"},
      {"deepseek", "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Lyon\"}",
       R"([#0 get_weather {"city": "Lyon"}])"},
      {"deepseek_markup",
       "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n<｜DSML｜parameter "
       "name=\"city\" string=\"true\">Pau</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" "
       "string=\"false\">4</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
       R"([#0 get_weather {"city": "Pau", "days": 4}])"},
      // Kimi
      {"kimi",
       "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_"
       "begin|>{\"city\": \"Xi'an\"}<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_"
       "argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
       R"([functions.get_weather:0 get_weather {"city": "Xi'an"}][functions.now:1 now {}])"},
      {"kimi", "Ok <|tool_call_begin|>functions.now:7<|tool_call_argument_begin|>{}",
       "Ok[functions.now:7 now {}]"},
      // Mistral
      {"mistral", R"([TOOL_CALLS]get_weather[ARGS]{"city": "Metz"}[TOOL_CALLS]now[ARGS]{})",
       R"([#0 get_weather {"city": "Metz"}][#1 now {}])"},
      {"mistral", R"([TOOL_CALLS]get_weather[CALL_ID]abc123DEF[ARGS]{"city": "Metz"})",
       R"([abc123DEF get_weather {"city": "Metz"}])"},
      {"mistral",
       R"([TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Metz"}, "id": "123456789"}] ok)",
       R"([#0 get_weather {"city": "Metz"}]ok)"},
      // Llama
      {"llama", R"({"name": "get_weather", "parameters": {"city": "Reno", "days": "2"}})",
       R"([#0 get_weather {"city": "Reno", "days": 2}])"},
      {"llama",
       R"(<|python_tag|>{"name": "now", "parameters": {}}; {"name": "now", "parameters": {}})",
       "[#0 now {}][#1 now {}]"},
      {"llama", R"({"name": "Ada", "age": 36})", R"({"name": "Ada", "age": 36})"},
      {"llama", "  {not json", "  {not json"},
      // gpt-oss
      {"harmony",
       "<|channel|>analysis<|message|>Think.<|end|><|start|>assistant<|channel|>final<|message|>"
       "Hello.",
       "(Think.)Hello."},
      {"harmony",
       "<|channel|>analysis<|message|>Need it.<|end|><|start|>assistant<|channel|>commentary "
       "to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"Tokyo\"}<|call|>",
       R"((Need it.)[#0 get_weather {"city": "Tokyo"}])"},
      {"harmony", "<|start|>assistant to=functions.now<|channel|>commentary json<|message|>{}",
       "[#0 now {}]"},
      {"harmony",
       "<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant<|channel|>analysis "
       "to=functions.now<|message|>{}<|call|>",
       "I will look.[#0 now {}]"},
      {"harmony", " to=functions.now<|channel|>commentary <|constrain|>json<|message|>{}<|call|>",
       "[#0 now {}]"},
      // lists
      {"granite",
       R"(<|tool_call|>[{"name": "now", "arguments": {}}, {"name": "now", "arguments": {}}])",
       "[#0 now {}][#1 now {}]"},
      {"cohere",
       R"(<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "get_weather", "parameters": {"city": "Quito"}}]<|END_ACTION|>)",
       R"([#0 get_weather {"city": "Quito"}])"},
      {"nemotron", R"(<TOOLCALL>[{"name": "now", "arguments": {}}]</TOOLCALL>)", "[#0 now {}]"},
      {"seed",
       "<seed:tool_call>\n<function=get_weather>\n<parameter=city>Bern</parameter>\n</function>\n"
       "</seed:tool_call>",
       R"([#0 get_weather {"city": "Bern"}])"},
      // calls that end before their JSON does
      {"hermes",
       "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Rome\"\n</tool_call>",
       R"([#0 get_weather {"city": "Rome"}])"},
      {"hermes", R"(<tool_call>{"name": "get_weather", "arguments": {"city": "Ro</tool_call>)",
       R"([#0 get_weather {"city": "Ro"}])"},
      {"hermes",
       R"(<tool_call>{"name": "edit", "arguments": {"old": "</tool_call><tool_call>", "path": "a"}})",
       R"([#0 edit {"old": "</tool_call><tool_call>", "path": "a"}])"},
      {"harmony",
       R"( to=functions.edit<|message|>{"old": "<|end|><|start|>", "path": "<|call|>"}<|call|>)",
       R"([#0 edit {"old": "<|end|><|start|>", "path": "<|call|>"}])"},
      {"hermes",
       R"(<tool_call>{"name": "get_weather", "arguments": {"city": "a</tool_call>b"}}</tool_call>)",
       R"([#0 get_weather {"city": "a</tool_call>b"}])"},
      {"hermes", R"(<tool_call>{"name": "get_weather", "arguments": {"city":</tool_call>)",
       "[#0 get_weather {}]"},
      {"hermes", R"(<tool_call>{"name": "edit", "arguments": {"options": {"a": [1,</tool_call>)",
       R"([#0 edit {"options": {"a": [1]}}])"},
      {"hermes", R"(<tool_call>{"name": "edit", "arguments": {"lines": [1, 2}}</tool_call>)",
       R"([#0 edit {"lines": [1, 2]}])"},
      {"hermes",
       R"(<tool_call>{"name": "edit", "arguments": {"old": "a", "lines": ;}}</tool_call>)",
       R"([#0 edit {"old": "a"}];}})"},
      {"hermes", R"(<tool_call>{"name": "get_weather", "arguments": {"city": "Ro)",
       R"([#0 get_weather {"city": "Ro"}])"},
      {"hermes", R"(<tool_call>{"name": "now", "arguments":</tool_call>)", "[#0 now {}]"},
      {"hermes", R"(<tool_call>{"name": "now", "arguments": "{\"a\": [1"}</tool_call>)",
       R"([#0 now {"a": [1]}])"},
      {"deepseek",
       "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": "
       "\"Rome\"<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
       R"([#0 get_weather {"city": "Rome"}])"},
      {"deepseek", "<｜tool▁call▁begin｜>now<｜tool▁sep｜>```json\n{}\n```<｜tool▁call▁end｜>",
       "[#0 now {}]"},
      {"kimi",
       R"(<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Ro<|tool_call_end|><|tool_calls_section_end|>)",
       R"([functions.get_weather:0 get_weather {"city": "Ro"}])"},
      {"kimi",
       R"(<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"days": 1<|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|>)",
       R"([functions.get_weather:0 get_weather {"days": 1}][functions.now:1 now {}])"},
      {"harmony", R"( to=functions.get_weather<|message|>{"city": "Rome"<|call|>)",
       R"([#0 get_weather {"city": "Rome"}])"},
      {"harmony", R"( to=functions.get_weather<|message|>{"city": "Ro<|call|>)",
       R"([#0 get_weather {"city": "Ro"}])"},
      {"harmony", R"( to=functions.get_weather<|message|>{"city": <|call|>)",
       "[#0 get_weather {}]"},
      // arguments that are no object
      {"harmony", R"( to=functions.now<|message|><|call|>)", "[#0 now {}]"},
      {"harmony", R"( to=functions.now<|message|>not json<|call|>)", "[#0 now {}]not json"},
      {"harmony", R"( to=functions.now<|message|>[1]<|call|>)", "[#0 now {}][1]"},
      {"harmony", R"( to=functions.now<|message|>"Rome"<|call|>)", "[#0 now {}]Rome"},
      {"harmony", R"( to=functions.get_weather<|message|>"{\"city\": \"Rome\"}"<|call|>)",
       R"([#0 get_weather {"city": "Rome"}])"},
      {"hermes", R"(<tool_call>{"name": "now", "arguments": [1]}</tool_call>)", "[#0 now {}][1]"},
      {"hermes", R"(<tool_call>{"name": "now", "arguments": "Rome"}</tool_call>)",
       "[#0 now {}]Rome"},
      {"hermes", "<tool_call>{\"name\": \"now\", \"arguments\": not json\n</tool_call>",
       "[#0 now {}]not json"},
      {"llama", R"({"name": "now", "parameters": "Rome"})", "[#0 now {}]Rome"},
      // the arguments in another form than the family's
      {"glm", R"(<tool_call>get_weather{"city": "Rome"}</tool_call>)",
       R"([#0 get_weather {"city": "Rome"}])"},
      {"glm", "<tool_call>get_weather\n\"{\\\"city\\\": \\\"Rome\\\"}\"</tool_call>",
       R"([#0 get_weather {"city": "Rome"}])"},
      {"glm", "<tool_call>get_weather\n<arg_key>city\n<arg_value>Rome</arg_value>\n</tool_call>",
       R"([#0 get_weather {"city": "Rome"}])"},
      {"glm", "<tool_call>get_weather\n<arg_key>city</arg_key>\n</tool_call>",
       "[#0 get_weather {}]"},
      {"glm", "<tool_call>get_weather\n<arg_key>city</tool_call>", "[#0 get_weather {}]"},
      {"glm", "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Ro</tool_call>",
       R"([#0 get_weather {"city": "Ro"}])"},
      {"qwen_coder",
       "<tool_call>\n<function=get_weather>{\"city\": \"Rome\"}</function>\n</tool_call>",
       R"([#0 get_weather {"city": "Rome"}])"},
      {"qwen_coder",
       "<function=get_weather>\n<parameter=city>\nRome\n</function>\n</tool_call>\n<function=now>"
       "\n</function>",
       R"([#0 get_weather {"city": "Rome"}][#1 now {}])"},
      {"qwen_coder", "<function=edit>\n<parameter=old>\nhalf", R"([#0 edit {"old": "half"}])"},
      {"llama", R"(<|python_tag|>get_weather.call(city="Rome", days='2', wind=True))",
       R"([#0 get_weather {"city": "Rome", "days": 2, "wind": true}])"},
      {"llama", "<|python_tag|>now.call()", "[#0 now {}]"},
      {"llama", R"(<|python_tag|>get_weather.call(city="Ro)", R"([#0 get_weather {"city": "Ro"}])"},
      {"llama", R"(<|python_tag|>get_weather.call("Rome"))", R"([#0 get_weather {}]"Rome"))"},
      {"llama", R"(<|python_tag|>print(1))", R"(<|python_tag|>print(1))"},
      // cut off
      {"hermes", R"(<tool_call>{"name": "now", )", "[#0 now ]", true},
      {"hermes", R"(<tool_call>{"name": "get_weather", "arguments": {"city":)",
       "[#0 get_weather {]", true},
      {"hermes", R"(<tool_call>{"name": "get_weather", "arguments": {"city": "Ro</tool_call>)",
       R"([#0 get_weather {"city": "Ro</tool_call>])", true},
      {"llama", R"(<|python_tag|>get_weather.call(city="Ro)", R"([#0 get_weather {"city": "Ro])",
       true},
      {"qwen_coder", "<function=get_weather>\n<param", "[#0 get_weather {]", true},
      {"hermes", "<tool_call>{\"name\": \"now\"}</tool_call>\n<tool_c", "[#0 now {}]", true},
      {"hermes", "<tool_call>{\"name\": \"now\"}</tool_", "[#0 now {}]", true},
      {"hermes", R"(<tool_call>{"name": "now"}</tool_call><tool_call>{"name": "ge)", "[#0 now {}]",
       true},
      {"hermes", R"(<tool_call>{"name": "now"}</tool_call>1 < 2 <t)", "[#0 now {}]1 < 2", true},
      {"hermes", R"(<tool_call>{"name": "now"}</tool_call>1 <t)", "[#0 now {}]1 <t"},
      {"hermes", "so <tool_c", "so <tool_c", true},
      {"llama", R"({"name": "now", "parameters": {}}; {"name": "no)", "[#0 now {}]", true},
      {"kimi",
       "<|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_"
       "call_begin|>func",
       "[functions.now:0 now {}]", true},
      {"qwen_coder", "<function=now>\n</function>\n<tool_call>\n<fun", "[#0 now {}]", true},
      // the slips of the others
      {"minimax",
       "<minimax:tool_call>\n<invoke name=\"get_weather\">\n<parameter name=\"city\">Nice"
       "\n</invoke>\n</minimax:tool_call>",
       R"([#0 get_weather {"city": "Nice\n"}])"},
      {"minimax", R"(<invoke name="now"></invoke> so)", "[#0 now {}]so"},
      {"minimax", "<minimax:tool_call>none</minimax:tool_call>",
       "<minimax:tool_call>none</minimax:tool_call>"},
      {"minimax", R"(<minimax:tool_call><invoke name="edit"><parameter name="old">ha)",
       R"([#0 edit {"old": "ha])", true},
      {"deepseek_markup",
       R"(<｜DSML｜invoke name="edit"><｜DSML｜parameter name="lines" string="false">[1, 2</｜DSML｜parameter></｜DSML｜invoke>)",
       R"([#0 edit {"lines": "[1, 2"}])"},
      {"deepseek_markup",
       R"(<｜DSML｜function_calls><｜DSML｜invoke name="edit"><｜DSML｜parameter name="old">a</｜DSML｜invoke></｜DSML｜function_calls>)",
       R"([#0 edit {"old": "a"}])"},
      {"deepseek_markup",
       "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n<｜DSML｜para",
       "[#0 get_weather {]", true},
      {"seed", "<seed:tool_call><function=edit><parameter=old>a\n</function></seed:tool_call>",
       R"([#0 edit {"old": "a\n"}])"},
      {"seed", "<seed:tool_call>\n{\"name\": \"now\"}\n</seed:tool_call>",
       "<seed:tool_call>\n{\"name\": \"now\"}\n</seed:tool_call>"},
      {"seed", "<seed:tool_call><function=get_weather><parameter=days>1",
       "[#0 get_weather {\"days\": ]", true},
      {"glm", "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Bo",
       R"([#0 get_weather {"city": "Bo])", true},
      {"mistral", R"([TOOL_CALLS]get_weather[ARGS]{"city": "Metz"[TOOL_CALLS]now[ARGS]{})",
       R"([#0 get_weather {"city": "Metz"}][#1 now {}])"},
      {"mistral", R"([TOOL_CALLS]get_weather{"city": "Metz"})",
       R"([#0 get_weather {"city": "Metz"}])"},
      {"mistral", "[TOOL_CALLS] I cannot.", "[TOOL_CALLS] I cannot."},
      {"mistral", R"([TOOL_CALLS][{"name": "now", "arguments": {}}, {"name": "no)", "[#0 now {}]",
       true},
      {"deepseek", "<｜tool▁calls▁begin｜>sorry<｜tool▁calls▁end｜>",
       "<｜tool▁calls▁begin｜>sorry<｜tool▁calls▁end｜>"},
      {"deepseek",
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Ly",
       R"([#0 get_weather {"city": "Ly])", true},
      {"kimi", "<|tool_calls_section_begin|>none<|tool_calls_section_end|>",
       "<|tool_calls_section_begin|>none<|tool_calls_section_end|>"},
      {"granite",
       R"(<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Ro<|/tool_call|>)",
       R"([#0 get_weather {"city": "Ro"}])"},
      {"granite", R"(<|tool_call|>{"name": "now", "arguments": {}})", "[#0 now {}]"},
      {"granite", "<|tool_call|>[none]", "<|tool_call|>[none]"},
      {"granite", R"(<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Ro)",
       R"([#0 get_weather {"city": "Ro])", true},
      {"cohere",
       R"(<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "get_weather", "parameters": {"city": "Ro"<|END_ACTION|>)",
       R"([#0 get_weather {"city": "Ro"}])"},
      {"cohere", R"(<|START_ACTION|>[]<|END_ACTION|>)", R"(<|START_ACTION|>[]<|END_ACTION|>)"},
      {"cohere", R"(<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "get_weather", "para)",
       "[#0 get_weather ]", true},
      {"nemotron", R"(<TOOLCALL>[{"name": "now", "arguments": {}}, {"name": "now"</TOOLCALL> so)",
       "[#0 now {}][#1 now {}]so"},
      {"nemotron", "<TOOLCALL>[x]</TOOLCALL>", "<TOOLCALL>[x]</TOOLCALL>"},
      {"nemotron", R"(<TOOLCALL>[{"name": "edit", "arguments": {"at": 1)", R"([#0 edit {"at": 1])",
       true},
      {"harmony", R"( to=functions.get_weather<|message|>{"city": "Ro)",
       R"([#0 get_weather {"city": "Ro])", true},
      {"harmony", "<|channel|>final<|message|>Hello<|channel|>final<|message|> again<|end|>",
       "Hello again"},
      {"harmony", "<|channel|>final no message", ""},
      {"harmony", "Hello without a channel", "Hello without a channel"},
  };
  return all;
}

TEST(Dialects, AreReadAsTheirFamiliesWriteThem) {
  for (const Case& c : cases())
    EXPECT_EQ(read({c.text}, {.dialect = dialect_named(c.dialect), .is_cut = c.is_cut}), c.expected)
        << c.dialect << ": " << c.text;
}

TEST(Dialects, EachIsReadWellAndCutOff) {
  for (const Dialect& row : table()) {
    const auto n_cases = [&](bool is_cut) {
      return std::ranges::count_if(
          cases(), [&](const Case& c) { return c.dialect == row.name && c.is_cut == is_cut; });
    };
    EXPECT_GE(n_cases(false), 3) << row.name;
    EXPECT_GE(n_cases(true), 1) << row.name;
  }
}

TEST(Dialects, AnySplitOfTheTextReadsTheSame) {
  std::mt19937 random(7);
  for (const Case& c : cases()) {
    const ReadOptions options{.dialect = dialect_named(c.dialect), .is_cut = c.is_cut};
    std::vector<std::string> bytes;
    for (char byte : c.text) bytes.emplace_back(1, byte);
    EXPECT_EQ(read(bytes, options), c.expected) << c.text;
    for (size_t cut = 0; cut <= c.text.size(); ++cut)
      EXPECT_EQ(read({c.text.substr(0, cut), c.text.substr(cut)}, options), c.expected) << cut;
    for (int round = 0; round < 20; ++round) {
      std::vector<std::string> pieces;
      for (size_t at = 0, n; at < c.text.size(); at += n)
        pieces.push_back(c.text.substr(at, n = 1 + random() % 9));
      EXPECT_EQ(read(pieces, options), c.expected) << c.text;
    }
  }
}

// The text with something lost or added somewhere, in whole characters.
std::string damaged(const std::string& text, std::mt19937& random) {
  constexpr std::string_view kAdded[] = {"",
                                         "\"",
                                         "{",
                                         "}",
                                         "]",
                                         ",",
                                         ":",
                                         "\\",
                                         "x ",
                                         "<think>",
                                         "</think>",
                                         "</tool_call>",
                                         "<|call|>",
                                         "<|tool_call_end|>",
                                         "<｜tool▁call▁end｜>"};
  constexpr size_t kLost[] = {0, 1, 9, 10000};
  const auto boundary = [&](size_t at) {
    at = std::min(at, text.size());
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    return at;
  };
  const size_t at = boundary(random() % (text.size() + 1));
  const size_t behind = boundary(at + kLost[random() % std::size(kLost)]);
  std::string out = text.substr(0, at);
  return out.append(kAdded[random() % std::size(kAdded)]).append(text.substr(behind));
}

TEST(Dialects, AnySplitOfADamagedTextReadsTheSame) {
  const ReasoningMarkers markers{"<think>", "</think>", false}, opened{"<think>", "</think>", true};
  std::mt19937 random(5);
  for (const Case& c : cases())
    for (int round = 0; round < 60; ++round) {
      std::string text = damaged(c.text, random);
      if (round % 3 == 0) text = damaged(text, random);
      const ReasoningMarkers* const kMarkers[] = {nullptr, &markers, &opened};
      const ReadOptions options{.dialect = dialect_named(c.dialect),
                                .markers = kMarkers[random() % 3],
                                .is_cut = random() % 2 == 0,
                                .stop_strings = random() % 4 > 0
                                                    ? std::vector<std::string>{}
                                                    : std::vector<std::string>{"me", "ome"},
                                .has_one_call = random() % 4 == 0};
      const std::string whole = read({text}, options);
      std::vector<std::string> bytes, pieces;
      for (char byte : text) bytes.emplace_back(1, byte);
      EXPECT_EQ(read(bytes, options), whole) << c.dialect << ": " << text;
      for (size_t at = 0, n; at < text.size(); at += n)
        pieces.push_back(text.substr(at, n = 1 + random() % 9));
      EXPECT_EQ(read(pieces, options), whole) << c.dialect << ": " << text;
    }
}

TEST(Dialects, AnyBeginningOfAnAnswerIsReadWithoutHarm) {
  for (const Case& c : cases())
    for (size_t n = 0; n < c.text.size(); ++n)
      for (bool is_cut : {false, true}) {
        const std::string told =
            read({c.text.substr(0, n)}, {.dialect = dialect_named(c.dialect), .is_cut = is_cut});
        EXPECT_LE(told.size(), 2 * n + 200);
      }
}

// What comes out are objects, whatever is missing.
TEST(Dialects, ArgumentsOfAWholeAnswerAreAlwaysAnObject) {
  std::mt19937 random(11);
  for (const Case& c : cases())
    for (size_t round = 0; round < 4 * c.text.size(); ++round) {
      const std::string text = damaged(c.text, random);
      const ReadOptions options{.dialect = dialect_named(c.dialect)};
      for (const Block& block : testing::read_message({text}, options).message.blocks) {
        const auto* call = std::get_if<ToolCall>(&block.content);
        if (!call) continue;
        const auto arguments = json::parse_value(call->arguments);
        ASSERT_TRUE(arguments && arguments->is_object()) << text << "\n" << call->arguments;
      }
    }
}

TEST(Dialects, TextIsShownWhileItComes) {
  Source source;
  Reply reply(source, {.tools = Tools(testing::sample_tools()), .new_id = [] { return "id"; }});
  auto reading = read_answer(source, reply, dialect_named("hermes"), nullptr);
  reading.start();
  auto step = [&](std::string_view text) {
    source.push(text);
    std::string out;
    for (const auto& piece : reply.take()) out += piece.delta.tool_name + piece.delta.text;
    return out;
  };
  EXPECT_EQ(step("Look"), "Look");
  EXPECT_EQ(step(" <tool"), "");
  EXPECT_EQ(step("s>"), " <tools>");
  EXPECT_EQ(step("<tool_call>{\"name\": \"get_weather\""), "");
  EXPECT_EQ(step(", \"arguments\": {"), "get_weather{");
  EXPECT_EQ(step("\"city\": \"Pa"), "\"city\": \"Pa");
  EXPECT_EQ(step("ris\"}"), "ris\"}");
  EXPECT_EQ(step("}</tool_call>"), "");
}

TEST(Dialects, ThinkingStandsBeforeTheAnswer) {
  const ReasoningMarkers markers{"<think>", "</think>", false}, open{"<think>", "</think>", true};
  const ReadOptions plain{.dialect = dialect_named("hermes"), .markers = &markers},
      opened{.dialect = dialect_named("hermes"), .markers = &open};
  EXPECT_EQ(read({"<think>\nwhy\n</think>\n\nso"}, plain), "(why\n)so");
  EXPECT_EQ(read({"why</think>so"}, opened), "(why)so");
  EXPECT_EQ(read({"  no <think>"}, plain), "  no <think>");
  const std::string call = R"(<tool_call>{"name": "now", "arguments": {}}</tool_call>)";
  EXPECT_EQ(read({"why" + call}, opened), "(why)[#0 now {}]");  // it forgot to stop thinking
  EXPECT_EQ(read({"<think>a</think>" + call}, plain), "(a)[#0 now {}]");
}

TEST(Dialects, StopStringsEndTheTextButNotCalls) {
  const ReadOptions options{.dialect = dialect_named("hermes"), .stop_strings = {"Paris", "STOP"}};
  EXPECT_EQ(read({"a STOP b"}, options), "a |STOP");
  EXPECT_EQ(
      read({R"(<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}})"}, options),
      R"([#0 get_weather {"city": "Paris"}])");
}

TEST(Dialects, OneCallIsAllWhereOneMayBeMade) {
  const ReadOptions options{.dialect = dialect_named("llama"), .has_one_call = true};
  EXPECT_EQ(read({R"({"name": "now", "parameters": {}}; {"name": "now", "parameters": {}} and)"},
                 options),
            "[#0 now {}]");
}

TEST(Dialects, AreChosenByTheTemplatesText) {
  const std::pair<std::string_view, std::string_view> kChosen[] = {
      {"Qwen-Qwen2.5-7B-Instruct", "hermes"},
      {"Qwen-Qwen3-0.6B", "hermes"},
      {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "hermes"},
      {"Qwen3-Coder", "qwen_coder"},
      {"Qwen3.5-4B", "qwen_coder"},
      {"ByteDance-Seed-OSS", "seed"},
      {"GLM-4.6", "glm"},
      {"MiniMax-M2", "minimax"},
      {"deepseek-ai-DeepSeek-V3.1", "deepseek"},
      {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "deepseek"},
      {"deepseek-ai-DeepSeek-V3.2", "deepseek_markup"},
      {"Kimi-K2-Instruct", "kimi"},
      {"openai-gpt-oss-120b", "harmony"},
      {"meta-llama-Llama-3.1-8B-Instruct", "llama"},
      {"meta-llama-Llama-3.2-3B-Instruct", "llama"},
      {"Mistral-Small-3.2-24B-Instruct-2506", "mistral"},
      {"mistralai-Mistral-Nemo-Instruct-2407", "mistral"},
      {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "cohere"},
      {"google-gemma-2-2b-it", "hermes"},  // taught in words
  };
  for (const auto& [file, expected] : kChosen) {
    std::ifstream in(testing::data_path("chat/templates/").append(file) + ".jinja");
    std::ostringstream text;
    text << in.rdbuf();
    ASSERT_FALSE(text.str().empty()) << file;
    EXPECT_EQ(dialect_of(text.str()).name, expected) << file;
  }
}

}  // namespace
}  // namespace hearth::dialects
