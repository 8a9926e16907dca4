/* platform.h: POSIX functions that cnnc and its runtime use and that the C library of Windows lacks. This
 * header is included before all others (-include). File names and all other texts are UTF-8; cnnc.manifest
 * makes it the code page of cnnc. Paths have slashes. */
// SPDX-License-Identifier: MIT-0
#ifndef PLATFORM_H
#define PLATFORM_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <direct.h>
#include <dirent.h>
#include <fcntl.h>
#include <io.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#define tell platform_tell /* io.h declares this name, which programs use for their own functions */

/* ---- files ---- */
/* The struct of the C library has no inode numbers; in the struct below, st_dev and st_ino identify a
 * file. */
struct platform_stat {
  uint64_t st_dev, st_ino;
  unsigned st_mode;
  int64_t st_size, st_mtime;
};
#define dev_t uint64_t
#define ino_t uint64_t
#undef stat
#undef fstat
#undef lstat
#define stat platform_stat
#define fstat platform_fstat
#define lstat platform_lstat
int platform_stat(const char *path, struct platform_stat *);
int platform_fstat(int descriptor, struct platform_stat *);
int platform_lstat(const char *path, struct platform_stat *);
#ifndef S_ISLNK
#define S_IFLNK 0xA000
#define S_ISLNK(mode) (((mode) & 0xF000) == S_IFLNK)
#endif

#define O_CLOEXEC _O_NOINHERIT
#define O_NONBLOCK 0
#define O_NOFOLLOW 0
/* Opens files in binary mode, also /dev/stdin and /dev/null. */
int platform_open(const char *path, int flags, ...);
#undef open
#define open platform_open
/* Transfer at most 1 GiB per call, because the functions of the C library return int. */
ssize_t platform_read(int descriptor, void *bytes, size_t n);
ssize_t platform_write(int descriptor, const void *bytes, size_t n);
#undef read
#undef write
#define read platform_read
#define write platform_write
int platform_mkdir(const char *path);
#undef mkdir
#define mkdir(path, mode) ((void)(mode), platform_mkdir(path))
int platform_rename(const char *from, const char *to); /* replaces an existing `to` */
#undef rename
#define rename(from, to) platform_rename(from, to)
int platform_rmdir(const char *path);
#undef rmdir
#define rmdir(path) platform_rmdir(path)
FILE *platform_tmpfile(void);
#undef tmpfile
#define tmpfile() platform_tmpfile()
char *realpath(const char *path, char *resolved); /* the canonical name, with the letter case that the file
                                                   * system has stored */
char *mkdtemp(char *path);
int fsync(int descriptor);
/* Converts the words of a command line: backslashes become slashes, and the first word loses the suffix
 * .exe. */
void platform_words(int argc, char **argv);
size_t platform_self(char *path, size_t room); /* this program's path; returns its length, 0 on error */
/* Files on Windows have no modes. */
#define fchmod(descriptor, mode) ((void)(descriptor), (void)(mode), 0)

/* Locks are not needed, because Windows does not remove open files. */
enum { F_GETLK, F_SETLK, F_WRLCK, F_UNLCK };
struct flock {
  int l_type, l_whence;
};
int fcntl(int descriptor, int command, struct flock *);

/* ---- memory and texts ---- */
/* memory is aligned as by malloc, and freed with free */
#define aligned_alloc(unit, bytes) ((void)(unit), malloc(bytes))
/* Numbers are in the C locale, which no program of cnnc changes. newlocale returns NULL for the UTF-8 locale,
 * which Windows does not have. */
typedef struct platform_locale *locale_t;
enum { LC_ALL_MASK = 1, LC_CTYPE_MASK = 2 };
locale_t newlocale(int mask, const char *name, locale_t base);
static inline locale_t uselocale(locale_t locale) { return locale; }
#define freelocale(locale) ((void)(locale))
#define towlower_l(character, locale) ((void)(locale), towlower((wint_t)(character)))
int wcwidth(wchar_t character);
/* A temporary file. fclose copies its bytes to *text; the thread that opened the file must close it. */
FILE *open_memstream(char **text, size_t *size);
int platform_fclose(FILE *);
#undef fclose
#define fclose platform_fclose

/* ---- processes and the machine ---- */
int platform_gethostname(char *name, size_t room);
#define gethostname platform_gethostname
int kill(pid_t process, int number); /* only signal number 0: whether the process exists */
int setenv(const char *name, const char *value, int replace);
enum { _SC_NPROCESSORS_ONLN = 1, _SC_PHYS_PAGES, _SC_PAGESIZE };
#define _SC_NPROCESSORS_ONLN _SC_NPROCESSORS_ONLN
#define _SC_PHYS_PAGES _SC_PHYS_PAGES
#define _SC_PAGESIZE _SC_PAGESIZE
long sysconf(int name);

/* Signals that Windows does not have are never raised. */
enum { SIGHUP = 1, SIGUSR1 = 10, SIGPIPE = 13, SIGXFSZ = 25, SA_RESTART = 1, SA_RESETHAND = 2 };
#define SIGHUP SIGHUP
#define SIGUSR1 SIGUSR1
#define SIGPIPE SIGPIPE
#define SIGXFSZ SIGXFSZ
struct sigaction {
  void (*sa_handler)(int);
  int sa_mask, sa_flags;
};
int sigaction(int number, const struct sigaction *, struct sigaction *before);
void (*platform_signal(int number, void (*handler)(int)))(int);
#undef sigemptyset
#define sigemptyset(set) (*(set) = 0)
#undef signal
#define signal(number, handler) platform_signal(number, handler)
#endif
