// Which built-in function a name means.
#include <algorithm>
#include <unordered_map>

#include "chat/jinja/method_tables.h"

namespace hearth::jinja {

namespace {

using Table = std::unordered_map<std::string_view, const Native*>;

Table index(std::initializer_list<std::span<const Native>> tables) {
  Table table;
  for (std::span<const Native> natives : tables)
    for (const Native& native : natives) table.emplace(native.name, &native);
  return table;
}

const Native* look_up(const Table& table, std::string_view name) {
  auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace

const Native* find_filter(std::string_view name) {
  static const Table table = index({text_filters(), sequence_filters(), value_filters()});
  return look_up(table, name);
}

const Native* find_test(std::string_view name) {
  static const Table table = index({tests()});
  return look_up(table, name);
}

const Native* find_method(const Value& subject, std::string_view name) {
  static const Table strings = index({string_methods()});
  static const Table dicts = index({dict_methods()});
  static const Table sequences = index({sequence_methods()});
  static const Table numbers = index({number_methods()});
  static const Table cyclers = index({cycler_methods()});
  switch (subject.kind()) {
    case Kind::string: return look_up(strings, name);
    case Kind::dict: return look_up(dicts, name);
    case Kind::list: return look_up(sequences, name);
    case Kind::tuple:
    case Kind::range: return name == "copy" ? nullptr : look_up(sequences, name);
    case Kind::boolean:
    case Kind::integer: return name == "is_integer" ? nullptr : look_up(numbers, name);
    case Kind::real: return name == "bit_length" ? nullptr : look_up(numbers, name);
    case Kind::cycler: return look_up(cyclers, name);
    default: return nullptr;
  }
}

}  // namespace hearth::jinja
