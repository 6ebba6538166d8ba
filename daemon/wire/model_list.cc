#include "wire/model_list.h"

#include "support/json.h"

namespace hearth::wire {

namespace {

json::Object openai_row(const ListedModel& model) {
  json::Object row{
      {"id", model.id}, {"object", "model"}, {"created", 0}, {"owned_by", model.owner}};
  if (model.n_context) {
    row["context_length"] = model.n_context;
    row["max_model_len"] = model.n_context;
  }
  return row;
}

json::Object anthropic_row(const ListedModel& model) {
  json::Object row{{"type", "model"},
                   {"id", model.id},
                   {"display_name", model.id},
                   {"created_at", "1970-01-01T00:00:00Z"}};
  if (model.n_context) row["max_input_tokens"] = model.n_context;
  return row;
}

}  // namespace

std::string openai_model(const ListedModel& model) {
  return boost::json::serialize(openai_row(model));
}
std::string anthropic_model(const ListedModel& model) {
  return boost::json::serialize(anthropic_row(model));
}

std::string openai_list(const std::vector<ListedModel>& models) {
  json::Array data;
  for (const ListedModel& model : models) data.push_back(openai_row(model));
  return boost::json::serialize(json::Object{{"object", "list"}, {"data", std::move(data)}});
}

std::string anthropic_list(const std::vector<ListedModel>& models) {
  json::Array data;
  for (const ListedModel& model : models) data.push_back(anthropic_row(model));
  json::Object body{{"data", std::move(data)}, {"has_more", false}};
  body["first_id"] = models.empty() ? json::Value(nullptr) : json::Value(models.front().id);
  body["last_id"] = models.empty() ? json::Value(nullptr) : json::Value(models.back().id);
  return boost::json::serialize(body);
}

}  // namespace hearth::wire
