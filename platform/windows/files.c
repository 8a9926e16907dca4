/* files.c: POSIX file functions for Windows. */
// SPDX-License-Identifier: MIT-0
#include <sys/mman.h>
#include "error.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#undef open
#undef read
#undef write
#undef rename
#undef mkdir
#undef rmdir
#undef tmpfile
#undef fclose

int windows_error(void) {
  static const struct {
    DWORD windows;
    int posix;
  } numbers[] = {
      {ERROR_FILE_NOT_FOUND, ENOENT},
      {ERROR_PATH_NOT_FOUND, ENOENT},
      {ERROR_INVALID_NAME, ENOENT},
      {ERROR_BAD_NETPATH, ENOENT},
      {ERROR_BAD_PATHNAME, ENOENT},
      {ERROR_DIRECTORY, ENOTDIR},
      {ERROR_ACCESS_DENIED, EACCES},
      {ERROR_SHARING_VIOLATION, EACCES},
      {ERROR_LOCK_VIOLATION, EACCES},
      {ERROR_ALREADY_EXISTS, EEXIST},
      {ERROR_FILE_EXISTS, EEXIST},
      {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
      {ERROR_OUTOFMEMORY, ENOMEM},
      {ERROR_DISK_FULL, ENOSPC},
      {ERROR_HANDLE_DISK_FULL, ENOSPC},
      {ERROR_DIR_NOT_EMPTY, ENOTEMPTY},
      {ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG},
      {ERROR_TOO_MANY_OPEN_FILES, EMFILE},
      {ERROR_WRITE_PROTECT, EROFS},
  };
  const DWORD last = GetLastError();
  errno = EIO;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (numbers[i].windows == last) errno = numbers[i].posix;
  return -1;
}

void slashes_forward(char *path) {
  for (; *path; path++)
    if (*path == '\\') *path = '/';
}

static const char *device_name(const char *path) { return strcmp(path, "/dev/null") == 0 ? "NUL" : path; }

/* ---- type and identity of files ---- */
static int stat_device(DWORD type, struct platform_stat *status) {
  *status = (struct platform_stat){.st_mode = type == FILE_TYPE_PIPE ? _S_IFIFO | 0600 : _S_IFCHR | 0600};
  return 0;
}

static int stat_handle(HANDLE handle, struct platform_stat *status) {
  /* start of POSIX time in seconds since 1601; ticks of 100 ns per second */
  enum { UNIX_EPOCH = 11644473600, TICKS = 10000000 };
  BY_HANDLE_FILE_INFORMATION info;
  const DWORD type = GetFileType(handle);
  if (type != FILE_TYPE_DISK) return stat_device(type, status);
  if (!GetFileInformationByHandle(handle, &info))
    return stat_device(FILE_TYPE_PIPE, status); /* treated like a pipe: read to its end */
  const bool folder = info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY,
             fixed = info.dwFileAttributes & FILE_ATTRIBUTE_READONLY;
  const uint64_t ticks =
      (uint64_t)info.ftLastWriteTime.dwHighDateTime << 32 | info.ftLastWriteTime.dwLowDateTime;
  *status = (struct platform_stat){
      .st_dev = info.dwVolumeSerialNumber,
      .st_ino = (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow,
      .st_mode = folder  ? _S_IFDIR | 0755
                 : fixed ? _S_IFREG | 0444
                         : _S_IFREG | 0644,
      .st_size = (int64_t)((uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow),
      .st_mtime = (int64_t)(ticks / (uint64_t)TICKS) - (int64_t)UNIX_EPOCH,
  };
  return 0;
}

static HANDLE open_to_ask(const char *path, DWORD flags) {
  return CreateFileA(device_name(path), 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                     OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | flags, NULL);
}

static int stat_path(const char *path, DWORD flags, struct platform_stat *status) {
  const HANDLE handle = open_to_ask(path, flags);
  if (handle == INVALID_HANDLE_VALUE) return windows_error();
  const int result = stat_handle(handle, status);
  CloseHandle(handle);
  return result;
}

int platform_stat(const char *path, struct platform_stat *status) {
  return strcmp(path, "/dev/stdin") == 0 ? platform_fstat(0, status) : stat_path(path, 0, status);
}

int platform_fstat(int descriptor, struct platform_stat *status) {
  const HANDLE handle = (HANDLE)_get_osfhandle(descriptor);
  return handle == INVALID_HANDLE_VALUE ? -1 : stat_handle(handle, status);
}

int platform_lstat(const char *path, struct platform_stat *status) {
  WIN32_FIND_DATAA found;
  const HANDLE search = strpbrk(path, "*?") ? INVALID_HANDLE_VALUE : FindFirstFileA(path, &found);
  const bool link = search != INVALID_HANDLE_VALUE &&
                    (found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) &&
                    found.dwReserved0 == IO_REPARSE_TAG_SYMLINK;
  if (search != INVALID_HANDLE_VALUE) FindClose(search);
  if (!link) return platform_stat(path, status);
  const int result = stat_path(path, FILE_FLAG_OPEN_REPARSE_POINT, status);
  status->st_mode = S_IFLNK | 0777;
  return result;
}

/* ---- names ---- */
char *realpath(const char *path, char *resolved) {
  static const char plain[] = "\\\\?\\", network[] = "\\\\?\\UNC\\";
  char name[PATH_MAX + sizeof network];
  const HANDLE handle = open_to_ask(path, 0);
  if (handle == INVALID_HANDLE_VALUE) return windows_error(), NULL;
  const DWORD n = GetFinalPathNameByHandleA(handle, name, sizeof name, FILE_NAME_NORMALIZED);
  CloseHandle(handle);
  if (n == 0) return windows_error(), NULL;
  if (n >= sizeof name) return errno = ENAMETOOLONG, NULL;
  const bool remote = strncmp(name, network, strlen(network)) == 0;
  char *text = remote                                     ? name + strlen(network) - 2
               : strncmp(name, plain, strlen(plain)) == 0 ? name + strlen(plain)
                                                          : name;
  if (remote) text[0] = '\\';
  if (strlen(text) >= PATH_MAX) return errno = ENAMETOOLONG, NULL;
  slashes_forward(text);
  if (!resolved) return _strdup(text);
  return memcpy(resolved, text, strlen(text) + 1);
}

void platform_words(int argc, char **argv) {
  for (int i = 0; i < argc; i++) slashes_forward(argv[i]);
  const size_t n = argc > 0 ? strlen(argv[0]) : 0;
  if (n > 4 && _stricmp(argv[0] + n - 4, ".exe") == 0) argv[0][n - 4] = 0;
}

size_t platform_self(char *path, size_t room) {
  const DWORD n = GetModuleFileNameA(NULL, path, (DWORD)room);
  return n < room ? n : 0;
}

static unsigned next_name(void) {
  static unsigned number;
  return (unsigned)GetCurrentProcessId() * 256 + number++;
}

char *mkdtemp(char *path) {
  char *end = path + strlen(path) - 6;
  for (int attempt = 0; attempt < 256; attempt++) {
    snprintf(end, 7, "%06x", next_name() & 0xFFFFFF);
    if (_mkdir(path) == 0) return path;
    if (errno != EEXIST) break;
  }
  return NULL;
}

FILE *platform_tmpfile(void) {
  char folder[MAX_PATH + 2], path[MAX_PATH + 64];
  const char *chosen = getenv("TMPDIR");
  if (!GetTempPathA(sizeof folder, folder)) return windows_error(), NULL;
  if (!chosen || !*chosen) chosen = folder;
  for (int attempt = 0; attempt < 256; attempt++) {
    if (snprintf(path, sizeof path, "%s/cnnc-%x.tmp", chosen, next_name()) >= (int)sizeof path)
      return errno = ENAMETOOLONG, NULL;
    const int descriptor = _open(path, _O_RDWR | _O_CREAT | _O_EXCL | _O_TEMPORARY | _O_BINARY | _O_NOINHERIT,
                                 _S_IREAD | _S_IWRITE);
    if (descriptor >= 0) return _fdopen(descriptor, "w+b");
    if (errno != EEXIST) break;
  }
  return NULL;
}

/* ---- streams in memory ---- */
static _Thread_local struct {
  FILE *file;
  char **text;
  size_t *size;
} memory_streams[4];
enum { MEMORY_STREAMS = sizeof memory_streams / sizeof *memory_streams };

FILE *open_memstream(char **text, size_t *size) {
  int i = 0;
  while (i < MEMORY_STREAMS && memory_streams[i].file) i++;
  if (i == MEMORY_STREAMS) return errno = ENOMEM, NULL;
  memory_streams[i].text = text;
  memory_streams[i].size = size;
  *text = NULL;
  return memory_streams[i].file = platform_tmpfile();
}

static bool read_back(FILE *file, char **text, size_t *size) {
  const int64_t n = fflush(file) == 0 ? _ftelli64(file) : -1;
  char *bytes = n >= 0 ? malloc((size_t)n + 1) : NULL;
  if (!bytes) return false;
  rewind(file);
  *size = fread(bytes, 1, (size_t)n, file);
  bytes[*size] = 0;
  *text = bytes;
  return *size == (size_t)n;
}

int platform_fclose(FILE *file) {
  int i = 0;
  while (i < MEMORY_STREAMS && memory_streams[i].file != file) i++;
  if (i == MEMORY_STREAMS) return fclose(file);
  const bool read = read_back(file, memory_streams[i].text, memory_streams[i].size);
  memory_streams[i].file = NULL;
  return fclose(file) == 0 && read ? 0 : EOF;
}

/* ---- opening, creating, replacing ---- */
int platform_open(const char *path, int flags, ...) {
  struct platform_stat status;
  if (strcmp(path, "/dev/stdin") == 0) return _dup(0);
  const int descriptor = _open(device_name(path), flags | _O_BINARY, _S_IREAD | _S_IWRITE);
  if (descriptor < 0 && errno == EACCES && platform_stat(path, &status) == 0 && S_ISDIR(status.st_mode))
    errno = EISDIR;
  return descriptor;
}

static unsigned part_of(size_t n) { return n < 1u << 30 ? (unsigned)n : 1u << 30; }

ssize_t platform_read(int descriptor, void *bytes, size_t n) { return _read(descriptor, bytes, part_of(n)); }

ssize_t platform_write(int descriptor, const void *bytes, size_t n) {
  return _write(descriptor, bytes, part_of(n));
}

int platform_mkdir(const char *path) {
  if (path[0] && path[1] == ':' && !path[2]) return errno = EEXIST, -1; /* a drive */
  return _mkdir(path);
}

int platform_rmdir(const char *path) { return _rmdir(path); }

/* A program that inspects new files, such as a virus scanner, keeps them open for a moment. So a failed call
 * is repeated for about a second. */
int platform_rename(const char *from, const char *to) {
  for (DWORD pause = 1; pause <= 512; pause *= 2) {
    if (MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING)) return 0;
    const DWORD last = GetLastError();
    struct platform_stat status;
    if ((last != ERROR_ACCESS_DENIED && last != ERROR_SHARING_VIOLATION) ||
        (platform_stat(to, &status) == 0 && S_ISDIR(status.st_mode))) {
      SetLastError(last);
      break;
    }
    Sleep(pause);
    SetLastError(last);
  }
  return windows_error();
}

int fsync(int descriptor) { return _commit(descriptor); }

int fcntl(int descriptor, int command, struct flock *lock) {
  (void)descriptor;
  if (command == F_GETLK) lock->l_type = F_UNLCK;
  return 0;
}

/* ---- mapping ---- */
void *mmap(void *at, size_t bytes, int protection, int flags, int descriptor, int64_t offset) {
  (void)at, (void)bytes, (void)protection, (void)flags, (void)offset;
  const HANDLE map = CreateFileMappingW((HANDLE)_get_osfhandle(descriptor), NULL, PAGE_READONLY, 0, 0, NULL);
  void *view = map ? MapViewOfFile(map, FILE_MAP_READ, 0, 0, 0) : NULL;
  if (!view) windows_error();
  if (map) CloseHandle(map);
  return view ? view : MAP_FAILED;
}

int munmap(void *at, size_t bytes) {
  (void)bytes;
  return UnmapViewOfFile(at) ? 0 : windows_error();
}
