// gpt-oss: messages in channels.
//   <|channel|>analysis<|message|>thinking<|end|><|start|>assistant<|channel|>commentary
//   to=functions.f <|constrain|>json<|message|>{"k": 1}<|call|>
// The recipient may stand before or behind the channel, "<|constrain|>" may be missing, and a call
// may come in any channel. Source: the harmony format's own guide and test transcripts.
#include "dialects/dialect.h"
#include "dialects/loose_json.h"

namespace hearth::dialects {

namespace {

constexpr std::string_view kEnds[] = {"<|end|>", "<|call|>", "<|return|>", "<|start|>",
                                      "<|channel|>"};
constexpr size_t kStart = 3, kChannel = 4;  // of those: a new message without an end before it

// The word behind `key` in a header.
std::string word_behind(std::string_view header, std::string_view key) {
  size_t at = header.find(key);
  if (at == header.npos) return "";
  header.remove_prefix(at + key.size());
  return std::string(header.substr(0, header.find_first_of(" <\n")));
}

// Of a message; what the model writes in another's name is nobody's to see.
bool is_anothers(std::string_view header) {
  constexpr std::string_view kOpen = "<|start|>";
  if (header.starts_with(kOpen)) header.remove_prefix(kOpen.size());
  const std::string_view author = header.substr(0, header.find_first_of(" <"));
  return !author.empty() && author != "assistant" && !author.starts_with("to=");
}

std::string function_of(std::string recipient) {
  constexpr std::string_view kNamespace = "functions.";
  if (recipient.starts_with(kNamespace)) recipient.erase(0, kNamespace.size());
  return recipient;
}

Reading<> read_call(Source& in, Reply& out, const std::string& name) {
  out.begin_call(name);
  const Put tell = [&](std::string_view piece) { out.arguments(piece); };
  const ArgumentTypes types{out.tools(), name};
  std::string rest;
  co_await copy_arguments(in, types, tell, rest);
  if (!rest.empty()) out.text(rest);
  co_await skip_space(in);
}

}  // namespace

Reading<> read_channels(Source& in, Reply& out) {
  const Put think = [&](std::string_view byte) { out.reasoning(byte); };
  const Put drop = [](std::string_view) {};
  const std::string_view message[] = {"<|message|>"};
  in.set_call_marks(kEnds);
  std::string header;  // of the message to come, as far as it has been read
  const Put into_header = [&](std::string_view byte) { header += byte; };
  bool has_header = co_await follows(in, "<|");
  if (!has_header) has_header = co_await follows(in, " to=");
  while (has_header) {
    const size_t begun = co_await copy_until(in, message, into_header);
    if (begun == kNone) co_return;
    const std::string recipient = word_behind(header, "to=");
    size_t end;
    if (is_anothers(header)) {
      end = co_await copy_until(in, kEnds, drop);
    } else if (!recipient.empty() && recipient != "assistant") {
      co_await read_call(in, out, function_of(recipient));
      end = co_await out.copy_text(in, kEnds);
    } else if (word_behind(header, kEnds[kChannel]) == "analysis") {
      out.is_reasoning = true;
      end = co_await copy_until(in, kEnds, think);
      out.reasoning("");
      out.is_reasoning = false;
    } else {
      end = co_await out.copy_text(in, kEnds);
    }
    if (end == kNone) co_return;
    header = end == kChannel ? kEnds[kChannel] : "";
    has_header = end == kStart || end == kChannel;
    if (!has_header) has_header = co_await follows(in, "<|");
  }
  co_await out.copy_text(in, {});
}

Dialect harmony() {
  return {.name = "harmony",
          .evidence = {"<|channel|>", "<|message|>"},
          .form = Channels{},
          .special = {"<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>",
                      "<|call|>", "<|return|>"}};
}

}  // namespace hearth::dialects
