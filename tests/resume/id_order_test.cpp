#include "support/catch.hpp"

#include <string>

#include <rejoin/resume/end_reason.hpp>
#include <rejoin/resume/id_order.hpp>
#include <rejoin/resume/resume_outcome.hpp>

using namespace rejoin;
using Kind = IdStep::Kind;

namespace {

std::string step(const IdStep& step) {
    switch (step.kind) {
    case Kind::incomparable: return "?";
    case Kind::before: return "before";
    case Kind::same: return "same";
    case Kind::next: return "next";
    case Kind::later: return "later";
    case Kind::gap: return "gap " + std::to_string(step.lost);
    }
    return "";
}

}  // namespace

TEST_CASE("integer ids") {
    CHECK(step(integer_step("1", "2")) == "next");
    CHECK(step(integer_step("9", "10")) == "next");
    CHECK(step(integer_step("3", "7")) == "gap 3");
    CHECK(step(integer_step("7", "7")) == "same");
    CHECK(step(integer_step("007", "7")) == "same");
    CHECK(step(integer_step("7", "3")) == "before");
    CHECK(step(integer_step("18446744073709551614", "18446744073709551615")) == "next");
    CHECK(step(integer_step("0", "18446744073709551615")) == "gap 18446744073709551614");
    for (const char* bad :
         {"", "a", "-1", "+1", " 1", "1 ", "1.0", "18446744073709551616", "99999999999999999999999"}) {
        CAPTURE(bad);
        CHECK(step(integer_step("1", bad)) == "?");
        CHECK(step(integer_step(bad, "1")) == "?");
    }
}

TEST_CASE("ms-seq ids") {
    CHECK(step(ms_seq_step("5-1", "5-2")) == "next");
    CHECK(step(ms_seq_step("5-1", "5-4")) == "gap 2");
    CHECK(step(ms_seq_step("5-1", "5-1")) == "same");
    CHECK(step(ms_seq_step("5-1", "5-0")) == "before");
    CHECK(step(ms_seq_step("5-1", "4-9")) == "before");
    CHECK(step(ms_seq_step("5-1", "6-0")) == "later");
    CHECK(step(ms_seq_step("5-1", "6-2")) == "gap 2");  // 6-0 and 6-1 existed
    for (const char* bad : {"5", "5-", "-5", "5-1-2", "a-1", ""}) {
        CAPTURE(bad);
        CHECK(step(ms_seq_step("5-1", bad)) == "?");
    }
}

TEST_CASE("ULIDs") {
    CHECK(step(ulid_step("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW")) == "next");
    CHECK(step(ulid_step("01arz3ndektsv4rrffq69g5fav", "01ARZ3NDEKTSV4RRFFQ69G5FAV")) == "same");
    CHECK(step(ulid_step("01ARZ3NDEKTSV4RRFFQ69G5FAZ", "01ARZ3NDEKTSV4RRFFQ69G5FB0")) == "next");  // carry
    CHECK(step(ulid_step("01ARZ3NDEKTSVZZZZZZZZZZZZZ", "01ARZ3NDEKTSW0000000000000")) ==
          "next");  // over the 64-bit seam
    CHECK(step(ulid_step("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAZ")) == "gap 3");
    CHECK(step(ulid_step("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAT")) == "before");
    CHECK(step(ulid_step("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKZSV4RRFFQ69G5FAV")) == "later");  // another draw
    CHECK(step(ulid_step("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEMTSV4RRFFQ69G5FAV")) == "later");  // another time
    for (const char* bad :
         {"01ARZ3NDEKTSV4RRFFQ69G5FA", "81ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAU", ""}) {
        CAPTURE(bad);
        CHECK(step(ulid_step("01ARZ3NDEKTSV4RRFFQ69G5FAV", bad)) == "?");
    }
}

TEST_CASE("names") {
    CHECK(to_string(EndReason::close_delimited) == "close_delimited");
    CHECK(to_string(EndReason::closed) == "closed");
    CHECK(to_string(ResumeOutcome::none) == "none");
    CHECK(to_string(ResumeOutcome::unverified) == "unverified");
}
