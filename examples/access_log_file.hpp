#ifndef REJOIN_EXAMPLES_ACCESS_LOG_FILE_HPP
#define REJOIN_EXAMPLES_ACCESS_LOG_FILE_HPP

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <rejoin/gateway/access_log.hpp>

namespace examples {

/// An access log in a file, which it appends to, or on standard output. Each line is one write, so that several processes may
/// share a file and a reader never sees half a line of a small one.
class AccessLogFile {
public:
    /// `path`: `-` is standard output. Throws `std::system_error`.
    explicit AccessLogFile(std::string path, rejoin::AccessLogOptions options = {}) : path_{std::move(path)}, options_{options} { open(); }
    ~AccessLogFile() { close(); }
    AccessLogFile(const AccessLogFile&) = delete;
    AccessLogFile& operator=(const AccessLogFile&) = delete;

    /// Writes the entry of what ends now. What can't be written is lost: a full disk is no reason to serve nobody.
    void operator()(rejoin::AccessLogEntry entry) {
        entry.time = std::chrono::system_clock::now() - std::chrono::duration_cast<std::chrono::system_clock::duration>(entry.duration);
        line_.clear();
        if (cut_) line_ += '\n';
        cut_ = false;
        rejoin::append_json(line_, entry, options_);
        for (std::string_view rest = line_; !rest.empty();) {
            const ssize_t written = ::write(file_, rest.data(), rest.size());
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) {
                cut_ = rest.size() < line_.size();  // the next one begins on a line of its own
                break;
            }
            rest.remove_prefix(static_cast<std::size_t>(written));
        }
    }

    /// Opens the file anew, as after it was renamed. Throws `std::system_error`; the old one stays open then.
    void reopen() { open(); }

private:
    void open() {
        int file = STDOUT_FILENO;
        if (path_ != "-") file = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
        if (file < 0) throw std::system_error{errno, std::generic_category(), path_};
        close();
        file_ = file;
    }

    void close() {
        if (file_ > STDERR_FILENO) ::close(file_);
    }

    std::string path_;
    rejoin::AccessLogOptions options_;
    std::string line_;
    int file_ = -1;
    bool cut_ = false;
};

}  // namespace examples

#endif
