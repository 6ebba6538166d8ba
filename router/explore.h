// Choosing among targets that may be better than they look.
//
// Problem: what is never tried is never learned, and every trial of a worse target costs. Idea:
// Thompson sampling, that is to choose each target with the chance that it is the best given what
// is known, but with the chances computed instead of sampled: one draw decides, and the propensity
// of every candidate is exact, so that another policy can later be judged on the log. Three bounds:
// no target is tried that would not pay even if its answer were right, none whose expected loss
// exceeds the allowance (an Account), and none of which so many trials as would teach enough cost
// more than the requests to come can gain by it: that is what keeps the sampling from trying for
// ever what is known to be worse. Cost: about 25 * k^2 error functions for k targets.
//
// Sources: Chapelle and Li, "An empirical evaluation of Thompson sampling", 2011; Wu et al.,
// "Conservative bandits", 2016; Frazier and Powell, "Paradoxes in learning and the marginal value
// of information" (KG(*)), 2010. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "router/policy.h"

namespace hearth::router {

// Writes the chance of each candidate that is not excluded into its propensity and returns the one
// that is drawn; `best` is the one of the highest utility.
size_t explore(const Exploration& exploration, const Value& value, size_t best,
               std::vector<Candidate>& candidates);

}  // namespace hearth::router
