#ifndef REJOIN_TESTS_SUPPORT_CATCH_HPP
#define REJOIN_TESTS_SUPPORT_CATCH_HPP

// Catch2 3 (a library with many headers) or 2 (one header). Tests use only what both have: TEST_CASE, SECTION, CHECK,
// REQUIRE, CAPTURE, INFO, GENERATE.
#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_tostring.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_adapters.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#else
#include <catch2/catch.hpp>
#endif

#endif
