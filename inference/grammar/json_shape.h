// A JSON Schema taken apart: alternatives, each a conjunction of plain demands, with references
// followed and applicators resolved.
//
// Lives and dies with the JsonSchema whose document it points into. One thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/json_number.h"
#include "grammar/json_references.h"
#include "grammar/rules.h"
#include "support/json.h"

namespace hearth::grammar {

using Schema = const json::Value*;
using Schemas = std::vector<Schema>;  // all of them hold

enum JsonType : uint8_t {
  kNull = 1,
  kBoolean = 2,
  kNumber = 4,
  kString = 8,
  kArray = 16,
  kObject = 32,
  kAllTypes = 63,
};

// The items of an array as one schema sees them.
struct ArrayView {
  Schemas first{};        // of the first items, one each
  Schema rest = nullptr;  // null: anything
  void add_at(size_t index, Schemas& out) const {
    if (Schema schema = index < first.size() ? first[index] : rest) out.push_back(schema);
  }
};

// The members of an object as one schema sees them.
struct ObjectView {
  const json::Object* properties = nullptr;
  const json::Object* patterns = nullptr;
  Schema others = nullptr;  // null: anything
  Schema names = nullptr;
};

struct Shape {
  uint8_t types = kAllTypes;
  std::optional<std::vector<Schema>> values;  // one of these
  NumberLimits numbers;
  uint32_t min_length = 0, max_length = kUnbounded;  // characters
  std::vector<std::string> patterns;                 // anywhere in the text
  std::vector<std::string_view> formats;             // patterns of the whole text
  uint32_t min_items = 0, max_items = kUnbounded;
  std::vector<ArrayView> arrays;
  uint32_t min_members = 0, max_members = kUnbounded;
  std::vector<ObjectView> objects;
  std::vector<std::string> required;

  bool has_string_limits() const {
    return min_length > 0 || max_length != kUnbounded || !patterns.empty() || !formats.empty();
  }
  bool is_required(std::string_view name) const;
};

class JsonSchema {
 public:
  static Result<JsonSchema> parse(std::string_view text);
  Schema root() const { return root_; }

  // What fulfils all of `schemas`, as alternatives. Keywords that cannot be honoured are
  // Errc::unsupported, by name.
  Result<std::vector<Shape>> shapes_of(const Schemas& schemas);

  // After an error of what was read lately (shapes_of(), or making automata of its shapes): the
  // schema without the keyword that the error names, and where that stood ("properties.a:
  // uniqueItems"). Nothing when that cannot be told. This is of no use afterwards.
  struct TakenOut {
    std::string schema, place;
  };
  std::optional<TakenOut> without_culprit(const Error& error);
  void forget_read() { was_read_.clear(); }

  // All that is said about the member of this name.
  Result<> add_member_schemas(const Shape& shape, std::string_view name, Schemas& out);
  // The names that a schema of propertyNames lets in.
  Result<Dfa> names_of(const json::Value& schema);
  // A pattern of patternProperties; lives as long as this does.
  Result<const Dfa*> key_pattern(std::string_view pattern);

 private:
  struct Branch;
  Result<> read(Schema schema, Branch& branch, std::vector<Branch>& others);
  Result<> read_applicators(const json::Object& object, Branch& branch,
                            std::vector<Branch>& others);
  Result<> read_numbers(const json::Object& object, Shape& shape);
  Result<> read_strings(const json::Object& object, Shape& shape);
  Result<> read_arrays(const json::Object& object, Shape& shape);
  Result<> read_objects(const json::Object& object, Branch& branch);
  Result<> read_values(const json::Object& object, Shape& shape);
  Result<> split(const Schemas& alternatives, Branch& branch, std::vector<Branch>& others);
  Result<bool> are_disjoint(Schema a, Schema b, int depth);
  Result<bool> are_disjoint(const Shape& a, const Shape& b, int depth);
  Schema keep(json::Value value);

  std::deque<json::Value> kept_;  // the document, and schemas that were made from it
  Schema root_ = nullptr;
  JsonReferences references_;
  std::map<std::string, Dfa, std::less<>> key_patterns_;
  size_t n_steps_ = 0;        // taken in all: what hostile schemas multiply
  Schema culprit_ = nullptr;  // in which something was found that cannot be honoured
  Schemas was_read_;          // since the last forget_read()
};

// Values by what they mean: 1 and 1.0 are the same.
bool is_same(const json::Value& a, const json::Value& b);
uint8_t type_of(const json::Value& value);

}  // namespace hearth::grammar
