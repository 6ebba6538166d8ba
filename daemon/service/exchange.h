// One request of a served wire on its way: sent to the router, answered whole or as a stream,
// whatever the dialect.
//
// Lives on the loop thread, on the frame of the handler. A client that goes away cancels the
// handler and with it the answer; one that reads too slowly ends its request, for generation never
// waits for it.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/http_message.h"
#include "router/router.h"
#include "wire/dialect.h"

namespace hearth {

class Exchange {
 public:
  struct Services {
    router::Completer& completer;
    // Of the targets that a model's name can mean, the widest context in tokens; 0: unknown.
    std::function<uint32_t(const std::string& model)> context_of;
  };

  // All outlive the exchange.
  Exchange(net::any_io_executor executor, const wire::Dialect& dialect, const Services& services,
           transport::HttpResponder& responder);

  // Every answer carries the request's id, and once decided x-hearth-target and x-hearth-reason (of
  // whoever answers, as far as that is known when the first byte leaves); a
  // whole one x-hearth-cost-usd, what it cost; an error says in x-hearth-error-source whether
  // Hearth or a provider speaks.
  // `betas`: the client's header anthropic-beta.
  Task<> answer(wire::Asked asked, router::RequestFacts facts, std::string betas = {});
  Task<> refuse(Failure failure, std::string request_id);

 private:
  Task<> answer_whole();
  Task<> answer_stream();
  Task<> ask(Answer& answer);
  Task<Answer> answering(size_t choice);
  Task<> ask_all(Answer& answer);
  Task<> take(size_t& next, Answer& total);
  Result<> end_choice(size_t choice, const Completion& completion);
  Task<> run();
  Task<> pump();
  Task<> refuse();
  bool tells_in_stream() const;
  void hear(size_t choice, const StreamDelta& delta);
  void hear_whole(const StreamDelta& delta);
  void note_left_out(const StreamDelta& delta);  // the engine tells it with the progress
  void begin();
  void add(std::string_view bytes);
  transport::Headers headers() const;

  const wire::Dialect& dialect_;
  const Services& services_;
  transport::HttpResponder& responder_;

  std::vector<router::RouteRequest> requests_;  // one a choice, until they are asked
  std::string id_, model_;                      // of the first, as asked
  bool is_stream_ = false;
  std::vector<std::string> left_out_;
  std::unique_ptr<wire::AnswerShape> shape_;
  wire::Head head_;
  uint64_t n_prompt_estimate_ = 0;
  size_t n_ended_ = 0;        // choices
  size_t n_whole_bytes_ = 0;  // of a whole answer, that were made
  // Of the decision, once it is made.
  struct Chosen {
    std::string id, target, reason;
  };
  Chosen decision_;
  std::optional<Answer> outcome_;

  std::string pending_;    // of a stream: not yet written
  bool is_begun_ = false;  // the first sign of life: from here on the status is 200
  net::steady_timer changed_;
  net::steady_timer overflow_;  // expires when too much is kept
};

}  // namespace hearth
