// The global functions of a chat template.
#include <ctime>

#include "chat/jinja/format.h"
#include "chat/jinja/loop.h"
#include "chat/jinja/native.h"

namespace hearth::jinja {

namespace {

Value raise_exception(Runtime& runtime, Arguments& arguments) {
  throw Failure{to_text(runtime, arguments[0]).bytes, 0, true};
}

// Dates of a naive local datetime: %f is zero, %z and %Z are empty.
Value strftime_now(Runtime& runtime, Arguments& arguments) {
  const Text& format = string_argument(arguments[0], "strftime_now").text;
  std::string directives;
  for (size_t i = 0; i < format.size(); ++i) {
    char c = format.bytes[i];
    char next = i + 1 < format.size() ? format.bytes[i + 1] : '\0';
    if (c == '\0') fail("embedded null character");
    if (c != '%' || (next != 'f' && next != 'z' && next != 'Z')) {
      directives += c;
      if (c == '%' && next) directives += next, ++i;
      continue;
    }
    if (next == 'f') directives += "000000";
    ++i;
  }
  constexpr size_t kMaxFormat = 4096;
  if (directives.size() > kMaxFormat) fail("strftime_now() format is too long");
  std::time_t now = static_cast<std::time_t>(runtime.now_unix_s());
  std::tm local{};
  if (!localtime_r(&now, &local)) fail("the time is out of range");
  // A mark at the end tells an empty result from one that did not fit.
  std::string out(directives.size() * 32 + 64, '\0');
  out.resize(std::strftime(out.data(), out.size(), (directives + ".").c_str(), &local));
  if (out.empty()) fail("strftime_now() result is too long");
  out.pop_back();
  if (out.find('\0') != std::string::npos) fail("strftime_now() result is not text");
  return make_string(runtime, Text(std::move(out), format.origin()));
}

Value range(Runtime& runtime, Arguments& arguments) {
  constexpr Int kMaxItems = 100'000, kMaxBound = Int{1} << 62;
  Int bounds[3] = {0, 0, 1};
  for (size_t i = 0; i < 3 && arguments.has(i); ++i) {
    bounds[i] = int_argument(arguments[i], "range");
    if (bounds[i] > kMaxBound || bounds[i] < -kMaxBound) fail("range() argument is too large");
  }
  if (!arguments.has(1)) std::swap(bounds[0], bounds[1]);
  if (bounds[2] == 0) fail("range() arg 3 must not be zero");
  Ref<Range> made = runtime.make<Range>(0, bounds[0], bounds[1], bounds[2]);
  if (made->length() > kMaxItems)
    fail("Range too big. The sandbox blocks ranges larger than ", to_string(kMaxItems), ".");
  return made;
}

// dict(mapping or pairs, name=value ...)
Ref<Dict> build_dict(Runtime& runtime, const Arguments& arguments) {
  Ref<Dict> dict = make_dict(runtime);
  if (arguments.positional.size() > 1) fail("dict expected at most 1 argument");
  if (arguments.positional.size() == 1) {
    const Value& source = arguments[0];
    if (source.is(Kind::dict)) {
      for (const auto& [key, value] : source.as<Dict>().items()) dict->set(runtime, key, value);
    } else {
      for (const Value& pair : to_items(runtime, source)) {
        std::vector<Value> parts = to_items(runtime, pair);
        if (parts.size() != 2) fail("dict expected pairs of key and value");
        dict->set(runtime, parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named)
    dict->set(runtime, make_string(runtime, name), value);
  return dict;
}

Value dict(Runtime& runtime, Arguments& arguments) { return build_dict(runtime, arguments); }

Value name_space(Runtime& runtime, Arguments& arguments) {
  Ref<Dict> attributes = build_dict(runtime, arguments);
  for (const auto& [name, value] : attributes->items())
    if (name.is_string() && name.as<Str>().text.bytes.starts_with('_'))
      fail("a namespace cannot hold an attribute that starts with an underscore");
  return runtime.make<Namespace>(0, std::move(attributes));
}

Value cycler(Runtime& runtime, Arguments& arguments) {
  if (arguments.positional.empty()) fail("at least one item has to be provided");
  return runtime.make<Cycler>(arguments.positional.size() * sizeof(Value), arguments.positional);
}

Value joiner(Runtime& runtime, Arguments& arguments) {
  return runtime.make<Joiner>(0, arguments.has(0) ? arguments[0] : make_string(runtime, ", "));
}

constexpr Native kGlobals[] = {
    {"cycler", cycler, Native::kVariadic},
    {"dict", dict, Native::kVariadic},
    {"joiner", joiner, 0, {"sep"}},
    {"namespace", name_space, Native::kVariadic},
    {"raise_exception", raise_exception, 1, {"message"}},
    {"range", range, 1, {"start", "stop", "step"}, false},
    {"strftime_now", strftime_now, 1, {"format"}},
};

}  // namespace

std::span<const Native> global_functions() { return kGlobals; }

}  // namespace hearth::jinja
