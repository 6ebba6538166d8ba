// `hearth egress`, `hearth egress verify`: what left this machine. Reads files; needs no daemon.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "cli/time_option.h"
#include "egress/reader.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

using egress::Record;

std::string folder_of(const Common& common) { return path::join(common.folders.state, "egress"); }

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  return fmt::format("{}", fmt::join(parts, between));
}

struct Sum {
  uint64_t n_transfers = 0, n_sent = 0, n_received = 0;
  static void fields(auto& self, auto&& field) {
    field("transfers", self.n_transfers);
    field("sent", self.n_sent);
    field("received", self.n_received);
  }
  void add(const Record& record) {
    ++n_transfers;
    n_sent += record.n_sent;
    n_received += record.n_received;
  }
};

struct Report {
  std::vector<Record> records;
  std::map<std::string, Sum> hosts;  // of a transfer with redirects: the last
  Sum total;
  static void fields(auto& self, auto&& field) {
    field("records", self.records);
    field("hosts", self.hosts);
    field("total", self.total);
  }
};

// RFC 4180; a cell that a spreadsheet would take for a formula is text.
std::string cell(std::string text) {
  if (!text.empty() && std::string_view("=+-@").find(text[0]) != std::string_view::npos)
    text.insert(0, "'");
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

void print_csv(const std::vector<Record>& records) {
  fmt::print(
      "seq,time,hosts,method,status,sent,received,cause,decision,target,trust,labels,blocks,"
      "sources\r\n");
  for (const Record& r : records)
    fmt::print("{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n", r.seq, utc_text(r.time_ms),
               cell(joined(r.hosts, " ")), cell(r.method), r.status, r.n_sent, r.n_received,
               cell(r.cause), cell(r.decision), cell(r.target), cell(r.trust),
               cell(joined(r.labels, " ")), cell(joined(r.blocks, " ")),
               cell(joined(r.sources, " ")));
}

void print_table(const Report& report) {
  fmt::print("{:<20} {:<32} {:>10} {:>10} {:>6} {:<14} {:<16} {}\n", "TIME (UTC)", "HOST", "SENT",
             "RECEIVED", "STATUS", "TARGET", "LABELS", "CAUSE");
  for (const Record& r : report.records)
    fmt::print("{:<20} {:<32} {:>10} {:>10} {:>6} {:<14} {:<16} {}\n", utc_text(r.time_ms),
               printable(joined(r.hosts, " > ")), r.n_sent, r.n_received, r.status,
               r.target.empty() ? "-" : printable(r.target),
               r.labels.empty() ? "-" : printable(joined(r.labels, ",")), printable(r.cause));
  fmt::print("\n");
  for (const auto& [host, sum] : report.hosts)
    fmt::print("{:<53} {:>10} {:>10}  in {} transfers\n", printable(host), sum.n_sent,
               sum.n_received, sum.n_transfers);
}

struct Options {
  std::string since, host;
  bool is_csv = false;
};

int run(const Common& common, const Options& options) {
  egress::Filter filter;
  filter.host = options.host;
  if (!options.since.empty()) {
    auto since = parse_time(options.since, now_ms());
    if (!since) return fail(since.error());
    filter.since_ms = *since;
  }
  auto records = egress::read_records(folder_of(common), filter);
  if (!records) return fail(records.error());
  Report report;
  for (const Record& record : *records) {
    report.hosts[record.hosts.empty() ? "-" : record.hosts.back()].add(record);
    report.total.add(record);
  }
  report.records = std::move(*records);
  if (options.is_csv)
    print_csv(report.records);
  else if (common.json)
    fmt::print("{}\n", json::encode(report));
  else if (report.records.empty())
    fmt::print(stderr, "nothing has left this machine{}\n",
               options.since.empty() && options.host.empty() ? "" : " in that time to that host");
  else
    print_table(report);
  return 0;
}

int run_verify(const Common& common) {
  auto check = egress::verify(folder_of(common));
  if (!check) return fail(check.error());
  if (common.json) {
    fmt::print("{}\n", json::encode(*check));
    return check->is_whole ? 0 : kFailed;
  }
  if (!check->is_whole) return fail({Errc::corrupt, check->fault});
  fmt::print("{} records in {} days are as they were written{}\n", check->n_records,
             check->n_segments,
             check->begins_after.empty()
                 ? ""
                 : fmt::format("; what was before, up to {}, is deleted", check->begins_after));
  if (!check->chain.empty())
    fmt::print("the chain ends, on {}, with {}\n", check->segment, check->chain);
  return 0;
}

}  // namespace

Command egress_list() {
  return command("egress", "What left this machine: hosts, bytes, labels, sources (no text)", run,
                 [](Form& form, Options& options) {
                   form.option("--since", options.since,
                               "A day (2026-11-30), a time (2026-11-30T12:00) or an age (7d, 12h)");
                   form.option("--host", options.host,
                               "Only transfers to hosts with this in the name");
                   form.flag("--csv", options.is_csv, "As a table for spreadsheets");
                   form.json();
                 });
}

Command egress_verify() {
  return command("verify", "Check that the record of what left is whole", run_verify,
                 [](Form& form) { form.json(); });
}

}  // namespace hearth::cli
