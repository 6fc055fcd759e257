// A file that only grows: every append reaches the system whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace dorabooth {

class AppendFile {
 public:
  enum class Mode {
    kContinue,  // create it if it is missing
    kNew,       // throw if it exists
  };
  // Makes missing parent folders.
  AppendFile(const std::filesystem::path& path, Mode mode);
  ~AppendFile();
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Throws with the path and the system's reason; what a full disk has left of `bytes` is cut off
  // again.
  void append(std::string_view bytes);
  void truncate(uint64_t size);
  // Returns once the bytes are on the disk.
  void sync();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace dorabooth
