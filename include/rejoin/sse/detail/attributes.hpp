#ifndef REJOIN_SSE_DETAIL_ATTRIBUTES_HPP
#define REJOIN_SSE_DETAIL_ATTRIBUTES_HPP

#include <rejoin/version.hpp>

// Inlining by hand, for the few functions that run once a line: compilers judge them too large, and the call costs as much
// as the work. What runs once a read, or never, is kept out of their way.
#if defined(__GNUC__)
#define REJOIN_SSE_DETAIL_HOT [[gnu::always_inline]]
#define REJOIN_SSE_DETAIL_COLD [[gnu::noinline]]
#else
#define REJOIN_SSE_DETAIL_HOT
#define REJOIN_SSE_DETAIL_COLD
#endif

#endif
