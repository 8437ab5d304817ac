#ifndef REJOIN_RESULT_HPP
#define REJOIN_RESULT_HPP

#include <optional>
#include <system_error>
#include <utility>

namespace rejoin {

/// A value, or the `std::error_code` that stands in its place. Expected failures travel as values, not as exceptions.
///
/// Not a tuple on purpose: some compilers mishandle structured bindings of awaited results with owning members.
/// Default construction (needed by completion machinery) gives an error of value 0 and no value.
template <class T>
class [[nodiscard]] Result {
public:
    Result() = default;
    Result(T value) : value_{std::move(value)} {}
    Result(std::error_code error) : error_{error} {}
    template <class E>
        requires std::is_error_code_enum<E>::value
    Result(E error) : error_{make_error_code(error)} {}

    explicit operator bool() const noexcept { return value_.has_value(); }
    bool has_value() const noexcept { return value_.has_value(); }

    /// The error; value 0 when there is a value.
    const std::error_code& error() const noexcept { return error_; }

    T& operator*() & noexcept { return *value_; }
    const T& operator*() const& noexcept { return *value_; }
    T&& operator*() && noexcept { return std::move(*value_); }
    T* operator->() noexcept { return &*value_; }
    const T* operator->() const noexcept { return &*value_; }

    /// The value; throws `std::system_error` with the error when there is none.
    T& value() & {
        if (!value_) throw std::system_error{error_};
        return *value_;
    }
    T&& value() && {
        if (!value_) throw std::system_error{error_};
        return std::move(*value_);
    }

private:
    std::optional<T> value_;
    std::error_code error_;
};

}  // namespace rejoin

#endif
