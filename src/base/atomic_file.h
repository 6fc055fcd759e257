// Files and folders that are either whole or absent: written under a temporary name, synced,
// renamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace dorabooth {

// Writes `bytes` to `path` atomically; throws with the path and the system's reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

// The whole file; throws if it cannot be read.
std::string read_file(const std::filesystem::path& path);

// Renames a finished temporary (file or folder) over `path` and syncs the parent folder.
// An existing folder at `path` is moved aside first and removed afterwards.
void publish(const std::filesystem::path& temporary, const std::filesystem::path& path);

// fsync of a file or folder; throws with the path.
void sync_path(const std::filesystem::path& path);

// What an ordinary user may still write on the file system of `folder` (or of its nearest existing
// parent).
uint64_t free_disk_bytes(const std::filesystem::path& folder);

// Throws unless the file system of `folder` (or its nearest existing parent) has `bytes` free.
void require_disk_space(const std::filesystem::path& folder, uint64_t bytes, std::string_view what);

// "1.4 GB": sizes in messages.
std::string bytes_text(uint64_t bytes);

}  // namespace dorabooth
