#pragma once

#include <memory>
#include <string>
#include <vector>

#include "wire/dialect.h"

namespace hearth::wire::anthropic {

// `stop`: the request's stop sequences, for only one of those is named as what ended the answer.
std::unique_ptr<AnswerShape> make_answer(std::vector<std::string> stop);

}  // namespace hearth::wire::anthropic
