// GET /v1/models, as OpenAI and as Anthropic have it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hearth::wire {

struct ListedModel {
  std::string id, owner;
  uint32_t n_context = 0;  // tokens; 0: unknown
};

std::string openai_model(const ListedModel& model);
std::string anthropic_model(const ListedModel& model);
std::string openai_list(const std::vector<ListedModel>& models);
std::string anthropic_list(const std::vector<ListedModel>& models);

}  // namespace hearth::wire
