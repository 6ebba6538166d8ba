// The handlers of session/*: create, list, get, rename, delete.
#include "service/session_methods.h"

#include <fstream>

#include "session_fixture.h"

namespace hearth::test {
namespace {

class SessionMethods : public SessionTest {
 protected:
  template <class Reply, class Params>
  Result<Reply> call(Task<Result<Reply>> (session::SessionMethods::*method)(jsonrpc::Call, Params),
                     Params params) {
    session::SessionMethods methods(*daemon->sessions, *daemon->store);
    jsonrpc::Call from{client};
    return daemon->loop.run((methods.*method)(from, std::move(params)));
  }
  WatchingClient client{1};
};

using M = session::SessionMethods;

TEST_F(SessionMethods, CreateWhatGetReturns) {
  protocol::SessionCreate request{"A title", "/home/me/project", {{"colour", "blue"}}};
  auto created = call(&M::create, request);
  ASSERT_TRUE(created);
  restart();
  auto got = call(&M::get, protocol::SessionRef{created->id});
  ASSERT_TRUE(got);
  EXPECT_EQ(json::encode(*got), json::encode(*created));
  EXPECT_EQ(got->labels.at("colour"), "blue");
}

TEST_F(SessionMethods, ListPagesLatestFirst) {
  std::vector<std::string> ids;
  for (int i = 0; i < 7; ++i) ids.push_back(create(std::to_string(i)));
  std::vector<std::string> listed;
  protocol::SessionList request;
  request.limit = 3;
  for (int n_pages = 1;; ++n_pages) {
    auto page = call(&M::list, request);
    ASSERT_TRUE(page);
    for (const auto& info : page->sessions) listed.push_back(info.id);
    if (!page->next) {
      EXPECT_EQ(n_pages, 3);
      break;
    }
    request.after = page->next;
  }
  std::sort(ids.begin(), ids.end());
  std::sort(listed.begin(), listed.end());
  EXPECT_EQ(listed, ids);
}

TEST_F(SessionMethods, ListShowsRenamesAndState) {
  std::string id = create("old");
  ASSERT_TRUE(call(&M::rename, protocol::SessionRename{id, "new"}));
  daemon->completer.plan({wait()});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  auto page = call(&M::list, protocol::SessionList{});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->sessions.at(0).title, "new");
  EXPECT_EQ(page->sessions.at(0).state, protocol::Activity::running);
}

TEST_F(SessionMethods, ListRefusesAForeignCursor) {
  protocol::SessionList request;
  request.after = "nonsense";
  auto page = call(&M::list, request);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, Errc::invalid);
}

TEST_F(SessionMethods, RenameDuringATurnKeepsTheOrder) {
  std::string id = create("old");
  ASSERT_TRUE(subscribe(client, id, 0));
  daemon->completer.plan({say("a"), wait(), say("b")});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  daemon->completer.release();
  ASSERT_TRUE(call(&M::rename, protocol::SessionRename{id, "new"}));
  run_until_idle(id);
  for (size_t i = 1; i < client.seen().size(); ++i)
    EXPECT_GE(client.seen()[i].seq, client.seen()[i - 1].seq);
  EXPECT_EQ(client.view().info.title, "new");
  expect_same_state(client, id);
  restart();
  EXPECT_EQ(session(id)->view().info.title, "new");
}

TEST_F(SessionMethods, UnknownSessionsAreNotFound) {
  EXPECT_EQ(call(&M::get, protocol::SessionRef{"ses_none"}).error().code, Errc::not_found);
  EXPECT_EQ(call(&M::remove, protocol::SessionRef{"ses_none"}).error().code, Errc::not_found);
  EXPECT_EQ(call(&M::snapshot, protocol::SessionRef{"'; --"}).error().code, Errc::not_found);
}

TEST_F(SessionMethods, DeleteInterruptsTheTurnAndTellsWhoWatches) {
  std::string id = create();
  ASSERT_TRUE(subscribe(client, id, 0));
  daemon->completer.plan({say("x"), wait()});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  ASSERT_TRUE(call(&M::remove, protocol::SessionRef{id}));
  EXPECT_EQ(client.kinds().back(), "session.deleted");
  EXPECT_EQ(call(&M::get, protocol::SessionRef{id}).error().code, Errc::not_found);
  restart();
  EXPECT_EQ(call(&M::get, protocol::SessionRef{id}).error().code, Errc::not_found);
}

Task<bool> purge_and_note(session::Sessions& sessions, std::string id, bool& is_done) {
  auto purged = co_await sessions.purge(std::move(id));
  is_done = true;
  co_return bool(purged);
}

TEST_F(SessionMethods, NothingIsRecordedInASessionThatIsLeaving) {
  std::string id = create("leaving");
  run_turn(id, "k1");
  bool is_done = false;
  daemon->loop.start(purge_and_note(*daemon->sessions, id, is_done));
  while (!is_done) (void)call(&M::rename, protocol::SessionRename{id, "revived"});
  auto page = daemon->loop.run(daemon->store->page({}));
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->sessions.empty());
  restart();
  EXPECT_EQ(call(&M::get, protocol::SessionRef{id}).error().code, Errc::not_found);
}

TEST_F(SessionMethods, DeleteLeavesNoByteOfTheText) {
  const std::string canary = "CANARY-5f1d7c";
  std::string kept = create("kept");
  std::string id = create(canary);
  for (int i = 0; i < 20; ++i) {
    daemon->completer.plan({think(canary), say(canary + std::string(3000, 'x'))});
    run_turn(id, "k" + std::to_string(i), canary + std::string(9000, 'y'));
    run_turn(kept, "k" + std::to_string(i));
  }
  std::ofstream(folder / "state/sessions.db.bak-v1") << canary;  // of an upgrade
  ASSERT_TRUE(call(&M::remove, protocol::SessionRef{id}));
  for (const auto& entry : std::filesystem::directory_iterator(folder / "state")) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    EXPECT_EQ(bytes.find(canary), std::string::npos) << entry.path();
    EXPECT_EQ(bytes.find(id), std::string::npos) << entry.path();
  }
  restart();
  EXPECT_EQ(session(kept)->view().messages.size(), 40u);
}

TEST_F(SessionMethods, DeleteNamesDamagedFilesThatMayHoldTheText) {
  std::string id = create();
  std::ofstream(folder / "state/sessions.db.damaged-1") << "?";
  auto purged = call(&M::remove, protocol::SessionRef{id});
  ASSERT_TRUE(purged);
  EXPECT_EQ(purged->remains, std::vector<std::string>{folder / "state/sessions.db.damaged-1"});
}

TEST_F(SessionMethods, ManySessionsAreReadBackFromTheLog) {
  std::vector<std::string> ids;
  for (int i = 0; i < 150; ++i) {
    ids.push_back(create());
    run_turn(ids.back(), "k", "question " + std::to_string(i));
  }
  for (int i = 0; i < 150; ++i) {
    auto again = session(ids[static_cast<size_t>(i)]);
    ASSERT_EQ(again->view().messages.size(), 2u);
    EXPECT_EQ(text_of(again->view().messages[0].message), "question " + std::to_string(i));
  }
}

TEST_F(SessionMethods, FullQuotaRefusesNewWorkAndNamesTheWayOut) {
  std::string id = create();
  run_turn(id, "k1");
  quota_bytes = 4096;
  restart();
  auto refused = start_turn(turn(id, "k2"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::over_budget);
  EXPECT_NE(refused.error().message.find("hearth gc"), std::string::npos);
  EXPECT_EQ(call(&M::create, protocol::SessionCreate{}).error().code, Errc::over_budget);
  EXPECT_EQ(session(id)->view().messages.size(), 2u);
}

TEST_F(SessionMethods, AreBoundUnderTheirNames) {
  session::SessionMethods methods(*daemon->sessions, *daemon->store);
  jsonrpc::Dispatcher dispatcher;
  session::bind_methods(dispatcher, methods);
  for (const char* name : {"session/create", "session/list", "session/get", "session/rename",
                           "session/delete", "session/subscribe", "session/unsubscribe",
                           "session/snapshot", "turn/start", "turn/interrupt"})
    EXPECT_TRUE(dispatcher.has(name)) << name;
}

TEST(TurnStartRecord, HasSamplingBesideItsOtherFields) {
  auto start = json::decode<protocol::TurnStart>(
      R"({"session":"s","idempotencyKey":"k","input":[{"type":"text","text":"hi"}],
          "temperature":0.5,"seed":7,"maxTokens":12,"stop":["x"]})");
  ASSERT_TRUE(start) << start.error().message;
  EXPECT_EQ(start->sampling.temperature, 0.5f);
  EXPECT_EQ(start->sampling.seed, 7u);
  EXPECT_EQ(start->max_tokens, 12u);
  auto damaged =
      json::decode<protocol::TurnStart>(R"({"session":"s","idempotencyKey":"k","input":1})");
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().message.find("input"), std::string::npos);
}

}  // namespace
}  // namespace hearth::test
