// The block scan, vector and portable, against a look at each byte.

#include <memory>
#include <string>
#include <vector>

#include <rejoin/sse/detail/line_scan.hpp>
#include <rejoin/testing/random.hpp>

#include "support/catch.hpp"

namespace rejoin::test {
namespace {

std::uint64_t naive_mask(const std::string& bytes) {
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] == '\n' || bytes[i] == '\r') mask |= std::uint64_t{1} << i;
    }
    return mask;
}

// Neighbours of LF and CR, and of what they become with the top bit set.
const std::string alphabet = std::string{"ab \t\x0b\x0c\x0e\x09\x8a\x8d\x0a\x0d\x0a\x0d\xff"} + '\0';

/// A block of exactly that size on the heap, so that a sanitizer sees a read beside it.
struct Exact {
    explicit Exact(const std::string& bytes) : data{new char[bytes.size()]} { bytes.copy(data.get(), bytes.size()); }
    std::unique_ptr<char[]> data;
};

TEST_CASE("every byte value at every place of a block") {
    for (int value = 0; value < 256; ++value) {
        for (std::size_t place = 0; place < detail::scan_block; ++place) {
            std::string bytes(detail::scan_block, 'x');
            bytes[place] = static_cast<char>(value);
            const std::uint64_t expected = naive_mask(bytes);
            if (detail::line_ends_of_block(bytes.data()) == expected &&
                detail::line_ends_of_block_portable(bytes.data()) == expected) {
                continue;
            }
            CAPTURE(value, place);
            CHECK(detail::line_ends_of_block(bytes.data()) == expected);
            CHECK(detail::line_ends_of_block_portable(bytes.data()) == expected);
        }
    }
    CHECK(detail::line_ends_of_block(std::string(detail::scan_block, 'x').c_str()) == 0);
}

TEST_CASE("random blocks and tails of every length") {
    rejoin::testing::Random random{7};
    for (std::size_t size = 0; size <= detail::scan_block; ++size) {
        CAPTURE(size);
        for (int round = 0; round < 200; ++round) {
            std::string bytes;
            for (std::size_t i = 0; i < size; ++i) bytes += alphabet[random() % alphabet.size()];
            const Exact exact{bytes};
            const std::uint64_t expected = naive_mask(bytes);
            if (size == detail::scan_block) {
                REQUIRE(detail::line_ends_of_block(exact.data.get()) == expected);
                REQUIRE(detail::line_ends_of_block_portable(exact.data.get()) == expected);
            } else {
                REQUIRE(detail::line_ends_of_tail(exact.data.get(), size) == expected);
                REQUIRE(detail::line_ends_of_tail_portable(exact.data.get(), size) == expected);
            }
        }
    }
}

TEST_CASE("the scanner finds every line end, also when some are stepped over") {
    rejoin::testing::Random random{11};
    for (int round = 0; round < 3000; ++round) {
        std::string bytes;
        const std::size_t density = 1 + random() % 40;
        for (std::size_t n = random() % 400; n > 0; --n) {
            bytes += random() % density == 0 ? (random() % 2 == 0 ? '\n' : '\r') : 'x';
        }
        const Exact exact{bytes};
        detail::LineScanner scanner;
        scanner.start({exact.data.get(), bytes.size()});
        for (std::size_t from = 0; from < bytes.size();) {
            const std::size_t found = scanner.find(from);
            REQUIRE(found == bytes.find_first_of("\r\n", from));
            if (found == detail::LineScanner::npos) break;
            from = found + 1;
            // Blank lines are seen without asking.
            while (random() % 2 == 0 && from < bytes.size() && bytes[from] != 'x') ++from;
        }
    }
    CHECK(detail::find_line_end("") == detail::LineScanner::npos);
    CHECK(detail::find_line_end("abc") == detail::LineScanner::npos);
    CHECK(detail::find_line_end("ab\rc\n") == 2);
}

}  // namespace
}  // namespace rejoin::test
