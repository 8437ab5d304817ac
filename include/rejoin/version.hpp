#ifndef REJOIN_VERSION_HPP
#define REJOIN_VERSION_HPP

#define REJOIN_VERSION_MAJOR 0
#define REJOIN_VERSION_MINOR 1
#define REJOIN_VERSION_PATCH 0
#define REJOIN_VERSION_STRING "0.1.0"

#if !defined(__cpp_impl_coroutine) && !defined(_MSC_VER)
#error "rejoin needs C++20 coroutines: compile with -std=c++20 or newer"
#endif

#endif
