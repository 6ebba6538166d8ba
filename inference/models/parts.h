// What most families share: the usual keys read into the usual parts of a plan. A family starts
// from these and changes what it does differently.
#pragma once

#include "models/metadata.h"
#include "models/plan.h"

namespace hearth {

// Everything but the layers, of which there are as many as there will be: blocks at the end that
// predict tokens further ahead are left out.
ModelPlan model_of(Metadata& m);

Attention attention_of(Metadata& m, const ModelPlan& plan, RopeKind kind);
// As `full`, seeing `window` positions, with the unscaled rope of another base.
Attention sliding(Metadata& m, const Attention& full, double base);

// Whether a layer of a hybrid is recurrent: marked, or not the last of every `interval`.
bool is_recurrent(Metadata& m, size_t layer);
DeltaNet delta_net_of(Metadata& m, const ModelPlan& plan);

// Rope from the keys, for heads of so many dimensions.
Rope rope_of(Metadata& m, const ModelPlan& plan, RopeKind kind, uint32_t head_dim);

Dense dense_of(Metadata& m);
// Softmax over all experts, nothing shared, unless the keys say otherwise.
Moe moe_of(Metadata& m, Gating gating = Gating::softmax);

// Every layer alike.
ModelPlan uniform(ModelPlan plan, const LayerPlan& layer);

}  // namespace hearth
