#include "graph/blocks/short_conv.h"

#include <array>

#include "graph/blocks/state.h"

namespace hearth {
namespace {

Convolution convolution_of(const ModelPlan& model, const ShortConv& plan) {
  return {.channels = model.width, .kernel = plan.kernel};
}

}  // namespace

ShortConvBlock ShortConvBlock::load(Loader& loader, const ModelPlan& model, const ShortConv& plan,
                                    const std::string& prefix) {
  ShortConvBlock block;
  const uint64_t width = model.width;
  const std::string in = prefix + "shortconv.in_proj";
  block.b_ = loader.part(in, width, 3 * width, 0, width);
  block.c_ = loader.part(in, width, 3 * width, width, width);
  block.x_ = loader.part(in, width, 3 * width, 2 * width, width);
  block.weight_ = loader.transposed(prefix + "shortconv.conv.weight", plan.kernel, width);
  block.out_ = loader.linear(prefix + "shortconv.out_proj", width, width);
  block.convolution_ = convolution_of(model, plan);
  block.convolution_.weight = block.weight_.data();
  return block;
}

void ShortConvBlock::run(Pass& pass) const {
  Backend& backend = pass.backend;
  float* b = pass.take(pass.width);
  float* c = pass.take(pass.width);
  float* x = pass.take(pass.width);
  const std::array<Backend::Product, 3> products{{b_.into(b), c_.into(c), x_.into(x)}};
  backend.multiply(products, pass.h, pass.n);
  backend.multiply_elements(x, b, pass.n * pass.width);
  backend.convolve(convolution_, state_segments(pass, convolution_.state_floats()), 0, x, b);
  backend.multiply_elements(b, c, pass.n * pass.width);
  backend.multiply(std::array{out_.into(pass.h)}, b, pass.n);
  if (pass.is_last_layer) keep_wanted_rows(pass, {{pass.h, pass.width}});
}

uint64_t ShortConvBlock::floats_per_row(const ModelPlan& model, const ShortConv&) {
  return 3 * uint64_t{model.width};
}

KvLayer ShortConvBlock::kv_layer(const ModelPlan& model, const ShortConv& plan) {
  return {.window = kStateWindow,
          .state_bytes = state_bytes(convolution_of(model, plan).state_floats())};
}

}  // namespace hearth
