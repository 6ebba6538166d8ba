// Patterns from RFC 3339 (dates, times, durations), 3986 (URI), 4291 (IPv6), 5321 (mail), 1123
// (host names), 6901 (pointers).
#include "grammar/json_format.h"

#include <algorithm>
#include <string>

namespace hearth::grammar {

namespace {

const std::string kDate =
    R"((?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|)"
    R"(02-(?:0[1-9]|1\d|2[0-8]))|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|)"
    R"((?:[02468][048]|[13579][26])00)-02-29))";
const std::string kTime =
    R"((?:(?:(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d))|)"
    R"((?:23:59:60(?:\.\d+)?(?:[Zz]|[+-]00:00))))";
const std::string kDuration =
    R"(P(?:\d+W|(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)(?:T(?:\d+H(?:\d+M(?:\d+S)?)?|)"
    R"(\d+M(?:\d+S)?|\d+S))?|T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S)))";
const std::string kOctet = R"((?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
const std::string kIpv4 = "(?:" + kOctet + R"((?:\.)" + kOctet + "){3})";
const std::string kLast = "(?:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}|" + kIpv4 + ")";
const std::string kHex = "[0-9A-Fa-f]{1,4}";
const std::string kIpv6 = "(?:(?:" + kHex + ":){6}" + kLast +                   //
                          "|::(?:" + kHex + ":){5}" + kLast +                   //
                          "|(?:" + kHex + ")?::(?:" + kHex + ":){4}" + kLast +  //
                          "|(?:(?:" + kHex + ":){0,1}" + kHex + ")?::(?:" + kHex + ":){3}" + kLast +
                          "|(?:(?:" + kHex + ":){0,2}" + kHex + ")?::(?:" + kHex + ":){2}" + kLast +
                          "|(?:(?:" + kHex + ":){0,3}" + kHex + ")?::" + kHex + ":" + kLast +
                          "|(?:(?:" + kHex + ":){0,4}" + kHex + ")?::" + kLast +  //
                          "|(?:(?:" + kHex + ":){0,5}" + kHex + ")?::" + kHex +   //
                          "|(?:(?:" + kHex + ":){0,6}" + kHex + ")?::)";
const std::string kLabel = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const std::string kHost = kLabel + "(?:\\." + kLabel + ")*";
const std::string kAtom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const std::string kMail = "(?:" + kAtom + "(?:\\." + kAtom +
                          R"()*|"(?:[ !#-\[\]-~]|\\[ -~])*")@(?:)" + kHost + R"(|\[(?:)" + kIpv4 +
                          "|IPv6:" + kIpv6 + R"()\]))";
const std::string kPercent = "%[0-9A-Fa-f]{2}";
const std::string kPathChar = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|" + kPercent + ")";
const std::string kAuthority = "(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|" + kPercent + R"()*@)?(?:\[)" +
                               kIpv6 + R"(\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|)" + kPercent +
                               ")*)(?::[0-9]*)?";
const std::string kPath = "(?:/" + kPathChar + "*)*";
const std::string kHierarchy = "(?://" + kAuthority + kPath + "|/(?:" + kPathChar + "+" + kPath +
                               ")?|" + kPathChar + "+" + kPath + "|)";
const std::string kTail = "(?:\\?(?:" + kPathChar + "|[/?])*)?(?:#(?:" + kPathChar + "|[/?])*)?";
const std::string kUri = "[A-Za-z][A-Za-z0-9+.-]*:" + kHierarchy + kTail;
const std::string kSegment = "(?:[A-Za-z0-9._~!$&'()*+,;=@-]|" + kPercent + ")";  // without a colon
const std::string kReference = "(?:" + kUri + "|(?://" + kAuthority + kPath + "|/(?:" + kPathChar +
                               "+" + kPath + ")?|" + kSegment + "+" + kPath + "|)" + kTail + ")";
const std::string kPointer = "(?:/(?:[^~/]|~[01])*)*";

struct Row {
  std::string_view name;
  std::string_view pattern;
};
const Row kFormats[] = {
    {"date", kDate},
    {"time", kTime},
    {"duration", kDuration},
    {"uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
    {"ipv4", kIpv4},
    {"ipv6", kIpv6},
    {"hostname", kHost},
    {"email", kMail},
    {"uri", kUri},
    {"uri-reference", kReference},
    {"json-pointer", kPointer},
};
const std::string kDateTime = kDate + "[Tt]" + kTime;
const std::string kRelative = "(?:0|[1-9][0-9]*)(?:#|" + kPointer + ")";

constexpr std::string_view kUnsupported[] = {"idn-email",     "idn-hostname", "iri",
                                             "iri-reference", "uri-template", "regex"};

}  // namespace

Format format_named(std::string_view name) {
  if (name == "date-time") return {FormatKind::known, kDateTime};
  if (name == "relative-json-pointer") return {FormatKind::known, kRelative};
  for (const Row& row : kFormats)
    if (row.name == name) return {FormatKind::known, row.pattern};
  if (std::ranges::count(kUnsupported, name) > 0) return {FormatKind::unsupported, {}};
  return {FormatKind::annotation, {}};
}

}  // namespace hearth::grammar
