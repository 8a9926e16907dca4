/* system.c: POSIX functions for processes, signals, the console and the machine on Windows. */
// SPDX-License-Identifier: MIT-0
#include <poll.h>
#include <sys/ioctl.h>
#include "error.h"

#include <errno.h>
#include <string.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#undef signal

/* Runs before main: sets the streams to binary mode, and enables UTF-8 and escape sequences for colors on the
 * console. */
__attribute__((constructor)) static void streams_begin(void) {
  static const DWORD outputs[] = {STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
  _fmode = _O_BINARY;
  for (int i = 0; i < 3; i++) _setmode(i, _O_BINARY);
  SetConsoleOutputCP(CP_UTF8);
  for (int i = 0; i < 2; i++) {
    DWORD mode;
    const HANDLE console = GetStdHandle(outputs[i]);
    if (GetConsoleMode(console, &mode)) SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
  }
}

int kill(pid_t process, int number) {
  (void)number;
  const HANDLE handle = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)process);
  if (!handle) return errno = GetLastError() == ERROR_INVALID_PARAMETER ? ESRCH : EPERM, -1;
  DWORD status = STILL_ACTIVE;
  GetExitCodeProcess(handle, &status);
  CloseHandle(handle);
  return status == STILL_ACTIVE ? 0 : (errno = ESRCH, -1);
}

int setenv(const char *name, const char *value, int replace) {
  if (!replace && getenv(name)) return 0;
  return _putenv_s(name, value) == 0 ? 0 : -1;
}

int platform_gethostname(char *name, size_t room) {
  DWORD n = (DWORD)room;
  return GetComputerNameA(name, &n) ? 0 : windows_error();
}

locale_t newlocale(int mask, const char *name, locale_t base) {
  static char c_locale;
  (void)mask, (void)base;
  return strcmp(name, "C") == 0 ? (locale_t)(void *)&c_locale : NULL;
}

int wcwidth(wchar_t character) { return iswprint(character) ? 1 : -1; }

long sysconf(int name) {
  SYSTEM_INFO info;
  MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
  GetSystemInfo(&info);
  switch (name) {
  case _SC_NPROCESSORS_ONLN: return (long)info.dwNumberOfProcessors;
  case _SC_PAGESIZE: return (long)info.dwPageSize;
  case _SC_PHYS_PAGES:
    return GlobalMemoryStatusEx(&memory) ? (long)(memory.ullTotalPhys / info.dwPageSize) : -1;
  default: return errno = EINVAL, -1;
  }
}

/* ---- signals ---- */
static bool is_known_signal(int number) {
  return number == SIGINT || number == SIGTERM || number == SIGABRT || number == SIGFPE || number == SIGSEGV;
}

void (*platform_signal(int number, void (*handler)(int)))(int) {
  return is_known_signal(number) ? signal(number, handler) : SIG_DFL;
}

/* A handler is called only once, because the C library of Windows then restores the default handler. */
int sigaction(int number, const struct sigaction *action, struct sigaction *before) {
  void (*was)(int) = platform_signal(number, action ? action->sa_handler : SIG_GET);
  if (before) *before = (struct sigaction){.sa_handler = was};
  return was == SIG_ERR ? -1 : 0;
}

/* ---- the console ---- */
int ioctl(int descriptor, int request, struct winsize *size) {
  CONSOLE_SCREEN_BUFFER_INFO info;
  (void)request;
  if (!GetConsoleScreenBufferInfo((HANDLE)_get_osfhandle(descriptor), &info)) return errno = ENOTTY, -1;
  size->ws_col = (unsigned short)(info.srWindow.Right - info.srWindow.Left + 1);
  size->ws_row = (unsigned short)(info.srWindow.Bottom - info.srWindow.Top + 1);
  return 0;
}

int poll(struct pollfd *of, unsigned n, int milliseconds) {
  DWORD bytes = 0;
  (void)n, (void)milliseconds;
  const HANDLE handle = (HANDLE)_get_osfhandle(of->fd);
  const bool pipe = GetFileType(handle) == FILE_TYPE_PIPE;
  return !pipe || !PeekNamedPipe(handle, NULL, 0, NULL, &bytes, NULL) || bytes > 0;
}
