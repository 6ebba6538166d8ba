// Certificates that nobody vouches for, made on the spot.
#pragma once

#include <string>

#include "support/mock_provider.h"

namespace hearth::test {

// Signed by its own key, for an IPv4 address or a DNS name, valid from a day ago for `days` days
// (negative: it has expired).
testing::TlsIdentity self_signed(const std::string& subject_alt_name, int days = 3650);

}  // namespace hearth::test
