// The entry point of every test program, for Catch2 2 (header only) and 3 (a library).

#if __has_include(<catch2/catch_session.hpp>)

#include <catch2/catch_session.hpp>

int main(int argc, char* argv[]) { return Catch::Session().run(argc, argv); }

#else

#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#endif
