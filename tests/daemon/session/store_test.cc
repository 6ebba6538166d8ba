// Opening the store: locks, versions, migrations, damage.
#include "session/store.h"

#include <fmt/format.h>

#include <fstream>
#include <random>

#include "session/schema.h"
#include "session_fixture.h"

namespace hearth::test {
namespace {

namespace fs = std::filesystem;

class StoreFiles : public SessionTest {
 protected:
  std::string path() { return folder / "state/sessions.db"; }
  Result<std::unique_ptr<session::Store>> open() {
    return session::Store::open(loop.executor(), options());
  }
  void run_sql(const std::string& sql) {
    auto database = storage::Database::open(path(), storage::Database::Mode::read_write);
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->run(sql));
  }
  void overwrite(size_t offset, const std::string& bytes) {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
  }
  // A new store was started, and the damaged file is where the log says.
  void expect_set_aside() {
    start();
    std::string aside = daemon->store->set_aside();
    EXPECT_TRUE(fs::exists(aside)) << aside;
    run_turn(create(), "k1");
  }
  Loop loop;
};

TEST_F(StoreFiles, BelongToOneDaemon) {
  auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::busy);
  daemon.reset();
  EXPECT_TRUE(open());
}

TEST_F(StoreFiles, AreNotReadableByOthers) {
  run_turn(create(), "k1");
  for (const auto& entry : fs::directory_iterator(folder / "state"))
    EXPECT_EQ(entry.status().permissions() & (fs::perms::group_all | fs::perms::others_all),
              fs::perms::none)
        << entry.path();
}

TEST_F(StoreFiles, KeepTheirEpoch) {
  uint64_t epoch = daemon->store->epoch();
  EXPECT_NE(epoch, 0u);
  restart();
  EXPECT_EQ(daemon->store->epoch(), epoch);
}

TEST_F(StoreFiles, OfANewerVersionAreRefusedPolitely) {
  daemon.reset();
  run_sql("PRAGMA user_version=9");
  auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::unsupported);
  EXPECT_NE(store.error().message.find("schema 9, this one knows up to 1"), std::string::npos)
      << store.error().message;
  EXPECT_NE(store.error().message.find("install"), std::string::npos);
  run_sql("PRAGMA user_version=1");
  start();
}

TEST_F(StoreFiles, AreBackedUpBeforeAMigration) {
  std::string id = create("kept");
  daemon.reset();
  const storage::Schema now = session::schema();
  std::vector<std::string_view> steps(now.steps.begin(), now.steps.end());
  steps.push_back("ALTER TABLE sessions ADD COLUMN colour TEXT");
  ASSERT_TRUE(storage::open_file(path(), {}, {now.subject, steps}));
  std::string backup = path() + ".bak-v1";
  auto old = storage::Database::open(backup, storage::Database::Mode::read_only);
  ASSERT_TRUE(old);
  EXPECT_EQ(*old->number("PRAGMA user_version"), 1);
  EXPECT_EQ(*old->number("SELECT count(*) FROM sessions"), 1);
  auto current = storage::Database::open(path(), storage::Database::Mode::read_only);
  EXPECT_EQ(*current->number("PRAGMA user_version"), 2);
  EXPECT_TRUE(current->number("SELECT count(colour) FROM sessions"));
}

TEST_F(StoreFiles, StayAsTheyWereWhenAMigrationFails) {
  create("kept");
  daemon.reset();
  const storage::Schema now = session::schema();
  std::vector<std::string_view> steps(now.steps.begin(), now.steps.end());
  steps.push_back("ALTER TABLE sessions ADD COLUMN colour TEXT; SELECT no_such_function()");
  EXPECT_FALSE(storage::open_file(path(), {}, {now.subject, steps}));
  start();
  auto page = daemon->loop.run(daemon->store->page({}));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->sessions.at(0).title, "kept");
}

TEST_F(StoreFiles, ThatAreEmptyAreNew) {
  daemon.reset();
  for (const auto& entry : fs::directory_iterator(folder / "state")) fs::remove(entry.path());
  std::ofstream(path()).close();
  start();
  EXPECT_EQ(daemon->store->set_aside(), "");
  run_turn(create(), "k1");
}

TEST_F(StoreFiles, ThatAreNoDatabaseAreSetAside) {
  daemon.reset();
  std::ofstream(path()) << std::string(10000, 'x');
  expect_set_aside();
}

TEST_F(StoreFiles, ThatAreCutShortAreSetAside) {
  for (int i = 0; i < 20; ++i) run_turn(create(), "k", std::string(5000, 'x'));
  daemon.reset();
  fs::resize_file(path(), fs::file_size(path()) / 2);
  expect_set_aside();
}

TEST_F(StoreFiles, WithRandomPagesAreSetAside) {
  for (int i = 0; i < 20; ++i) run_turn(create(), "k", std::string(5000, 'x'));
  daemon.reset();
  std::mt19937_64 random(5);
  std::string noise;
  while (noise.size() < 8192) noise += static_cast<char>(random());
  for (size_t page = 1; page + 2 < fs::file_size(path()) / 4096; page += 5)
    overwrite(page * 4096, noise);
  expect_set_aside();
}

TEST_F(StoreFiles, LackingTheirIndexAreRecovered) {
  std::string id = create();
  run_turn(id, "k1");
  crash();  // removes the -shm
  EXPECT_EQ(daemon->store->set_aside(), "");
  EXPECT_EQ(session(id)->view().messages.size(), 2u);
}

TEST_F(StoreFiles, WithADamagedLogKeepWhatIsBeforeTheDamage) {
  std::string id = create();
  for (int i = 0; i < 5; ++i) run_turn(id, "k" + std::to_string(i));
  ASSERT_TRUE(daemon->loop.run(daemon->store->flush()));
  std::string copy = folder / "copy";
  fs::copy(folder / "state", copy);
  daemon.reset();
  fs::remove_all(folder / "state");
  fs::rename(copy, folder / "state");
  fs::remove(path() + "-shm");
  auto size = fs::file_size(path() + "-wal");
  fs::resize_file(path() + "-wal", size - 3000);
  start();
  EXPECT_EQ(daemon->store->set_aside(), "");
  auto page = daemon->loop.run(daemon->store->page({}));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->sessions.at(0).id, id);
}

TEST_F(StoreFiles, AreCheckedWholeWhenAskedFor) {
  daemon.reset();
  storage::ask_for_check(path());
  EXPECT_TRUE(fs::exists(path() + ".check"));
  start();
  EXPECT_FALSE(fs::exists(path() + ".check"));
  EXPECT_EQ(daemon->store->set_aside(), "");
}

TEST_F(StoreFiles, InAFolderThatCannotBeWrittenAreAnError) {
  daemon.reset();
  session::Store::Options elsewhere;
  elsewhere.folder = "/proc/no-such-place";
  auto store = session::Store::open(loop.executor(), elsewhere);
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("/proc/no-such-place"), std::string::npos);
}

TEST_F(StoreFiles, WithADamagedEventSpareOtherSessions) {
  std::string bad = create();
  std::string good = create();
  run_turn(bad, "k1");
  run_turn(good, "k1");
  daemon.reset();
  run_sql(fmt::format("UPDATE events SET data='{{' WHERE session='{}' AND seq=2", bad));
  start();
  auto damaged = daemon->loop.run(daemon->sessions->open(bad));
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, Errc::corrupt);
  EXPECT_NE(damaged.error().message.find(bad), std::string::npos);
  EXPECT_EQ(session(good)->view().messages.size(), 2u);
}

TEST_F(StoreFiles, WithEventsOfALaterVersionAreFoldedWithoutThem) {
  std::string id = create();
  run_turn(id, "k1");
  std::string before = folded(session(id)->view());
  daemon.reset();
  run_sql(fmt::format("INSERT INTO events VALUES('{}',1000,NULL,0,'plan.update',1,'{{}}')", id));
  start();
  EXPECT_EQ(session(id)->next_seq(), 1001u);
  EXPECT_EQ(session(id)->view().messages.size(), 2u);
}

}  // namespace
}  // namespace hearth::test
