// printed.c: compiles printed C in a temporary directory and loads it.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include "printed.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool runs(const char *compiler) {
  char command[300];
  snprintf(command, sizeof command, "%s --version >/dev/null 2>&1", compiler);
  return system(command) == 0;
}

const char *printed_compiler(int i) {
  static const char *const variable[COMPILERS] = {"CC", "CLANG"};
  static const char *const usual[COMPILERS][4] = {{"cc", "gcc"}, {"clang", "clang-22", "clang-19"}};
  const char *named = getenv(variable[i]);
  if (named && *named && runs(named)) return named;
  for (int k = 0; k < 4 && usual[i][k]; k++)
    if (runs(usual[i][k])) return usual[i][k];
  return NULL;
}

const char *printed_attribute(int *lanes) {
  *lanes = 4;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) {
    *lanes = 16;
    return "__attribute__((target(\"avx512f,avx512vl,avx512bw,avx512dq,fma\")))";
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    *lanes = 8;
    return "__attribute__((target(\"avx2,fma\")))";
  }
#endif
  return "";
}

void printed_file(Text *out, const PreludeNeeds *needs, const char *suffix, const char *attribute,
                  const char *body) {
  text_put(out, "#include <stddef.h>\n#include <stdint.h>\n");
  emit_contraction(out, true);
  if (*attribute) text_put(out, "#define TARGET %s\n", attribute);
  emit_prelude_file(out, needs, "");
  emit_prelude(out, needs, &(PreludeNames){"", suffix, *attribute ? "TARGET" : "", .helium = false});
  text_put(out, "%s", body);
}

static void show(const char *path) {
  FILE *f = fopen(path, "r");
  char line[400];
  for (int n = 0; f && n < 20 && fgets(line, sizeof line, f); n++) printf("# %s", line);
  if (f) fclose(f);
}

void *printed_load(const char *compiler, const char *flags, const char *text) {
  char dir[200], path[240], command[1200];
  const char *tmp = getenv("TMPDIR");
  snprintf(dir, sizeof dir, "%s/cnnc-test-XXXXXX", tmp && strlen(tmp) < 150 ? tmp : "/tmp");
  if (!mkdtemp(dir)) return NULL;
  snprintf(path, sizeof path, "%s/t.c", dir);
  FILE *f = fopen(path, "w");
  bool written = f && fputs(text, f) >= 0;
  if (f) fclose(f);
  snprintf(command, sizeof command,
           "cd '%s' && %s -std=c11 %s -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -shared -fPIC "
           "t.c -o ./t.so >log 2>&1",
           dir, compiler, flags);
  void *handle = NULL;
  snprintf(path, sizeof path, "%s/%s", dir, "t.so");
  if (written && system(command) == 0) handle = dlopen(path, RTLD_NOW);
  snprintf(path, sizeof path, "%s/%s", dir, "log");
  if (!handle) {
    printf("# %s %s:\n", compiler, flags);
    show(path);
  }
  static const char *const files[] = {"t.c", "t.so", "log"};
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s", dir, files[i]);
    remove(path);
  }
  rmdir(dir);
  return handle;
}

bool printed_in_child(bool (*test)(void *), void *data) {
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    bool ok = test(data);
    fflush(stdout);
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("# signal %d\n", WTERMSIG(status));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
