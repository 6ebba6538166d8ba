#pragma once

#include <memory>
#include <set>
#include <string>

#include "support/json.h"
#include "wire/dialect.h"

namespace hearth::wire::responses {

// What an answer says of its request.
struct Echo {
  json::Object fields;              // as they stand in the response
  std::set<std::string> free_form;  // tools whose calls are plain text
};

std::unique_ptr<AnswerShape> make_answer(Echo echo);

}  // namespace hearth::wire::responses
