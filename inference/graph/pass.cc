#include "graph/pass.h"

namespace hearth {

void point_at_layer(Pass& pass, uint32_t layer) {
  size_t next = 0;
  for (const std::vector<PageIndex>& table : pass.batch.block_tables)
    for (const PageIndex page : table) pass.pages[next++] = pass.cache.data(layer, page);
}

void keep_wanted_rows(Pass& pass, std::initializer_list<RowsOf> also) {
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < pass.n; ++i) {
    if (!pass.batch.rows[i].wants_logits) continue;
    pass.rows[kept.size()] = pass.rows[i];
    kept.push_back(i);
  }
  pass.backend.keep_rows(pass.x, pass.width, kept);
  if (pass.per_layer) pass.backend.keep_rows(pass.per_layer, pass.per_layer_floats, kept);
  for (const RowsOf& each : also) pass.backend.keep_rows(each.data, each.width, kept);
  pass.n = kept.size();
}

}  // namespace hearth
