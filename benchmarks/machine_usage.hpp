#ifndef REJOIN_BENCHMARKS_MACHINE_USAGE_HPP
#define REJOIN_BENCHMARKS_MACHINE_USAGE_HPP

// What Linux tells of processes and processors.

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace rejoin::bench {

/// Field `index` (as in proc(5), from 3 on) of a process' stat line.
inline std::string stat_field(int pid, int index) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
    std::string line;
    std::getline(file, line);
    std::istringstream fields{line.substr(std::min(line.rfind(')') + 1, line.size()))};  // the name may hold anything
    std::string field;
    for (int i = 3; i <= index; ++i) fields >> field;
    return field;
}

inline std::vector<int> process_tree(int root) {
    std::multimap<int, int> children;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
        const int pid = std::atoi(entry.path().filename().c_str());
        if (pid > 0) children.emplace(std::atoi(stat_field(pid, 4).c_str()), pid);
    }
    std::vector<int> tree;
    if (root > 0) tree.push_back(root);
    for (std::size_t i = 0; i < tree.size(); ++i) {
        const auto [first, last] = children.equal_range(tree[i]);
        for (auto it = first; it != last; ++it) tree.push_back(it->second);
    }
    return tree;
}

inline double cpu_seconds(const std::vector<int>& pids) {
    double ticks = 0;
    for (const int pid : pids) ticks += std::atof(stat_field(pid, 14).c_str()) + std::atof(stat_field(pid, 15).c_str());
    return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

inline double resident_bytes(const std::vector<int>& pids) {
    double pages = 0;
    for (const int pid : pids) {
        std::ifstream file{"/proc/" + std::to_string(pid) + "/statm"};
        double total = 0;
        double resident = 0;
        if (file >> total >> resident) pages += resident;
    }
    return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// Seconds that the first two processors were at work, and how many there are of them.
inline std::pair<double, int> processors_busy() {
    std::ifstream file{"/proc/stat"};
    double ticks = 0;
    int count = 0;
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("cpu0 ") && !line.starts_with("cpu1 ")) continue;
        std::istringstream fields{line};
        std::string name;
        double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0, soft = 0, stolen = 0;
        fields >> name >> user >> nice >> system >> idle >> waiting >> interrupts >> soft >> stolen;
        ticks += user + nice + system + interrupts + soft + stolen;
        ++count;
    }
    return {ticks / static_cast<double>(sysconf(_SC_CLK_TCK)), std::max(count, 1)};
}

}  // namespace rejoin::bench

#endif
