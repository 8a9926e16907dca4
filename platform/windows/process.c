/* process.c: Starting, stopping and waiting for processes on Windows. All these processes belong to one job
 * object of Windows. So when cnnc ends, even if it is killed, Windows also ends these processes and the
 * processes that they started. */
// SPDX-License-Identifier: Apache-2.0
#include "backend/process.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include "backend/backend.h"
#include "backend/compiler.h"
#include "base/text.h"

FILE *nameless_file(Arena *arena) {
  (void)arena;
  return tmpfile();
}

/* ---- Ctrl-C and the closing of the console ---- */
/* Windows runs the handler in a new thread. The handler stops the job, so that the running commands fail. If
 * there is no running command and no temporary folder, cnnc ends as usual. */
static volatile LONG fatal_event, holders;
static HANDLE job;

static BOOL WINAPI on_event(DWORD event) {
  (void)event;
  if (!InterlockedCompareExchange(&holders, 0, 0)) return FALSE;
  InterlockedExchange(&fatal_event, 1);
  if (job) TerminateJobObject(job, STATUS_CONTROL_C_EXIT);
  return TRUE;
}

void signals_hold(void) { InterlockedIncrement(&holders); }
void signals_release(void) { InterlockedDecrement(&holders); }

void processes_watch(const Command *list, int n) {
  (void)list, (void)n;
  signals_hold();
}

bool processes_unwatch(const Command *list, const char **why) {
  (void)list;
  signals_release();
  return !fatal_event || (*why = "stopped by Ctrl-C", false);
}

void backend_begin(void) { SetConsoleCtrlHandler(on_event, TRUE); }

void backend_end(void) {
  if (fatal_event) ExitProcess(STATUS_CONTROL_C_EXIT);
}

/* ---- the command line ---- */
/* The command line is one text, which the C library of the command splits into words again. So a word with
 * blanks is put in quotes, a quote in a word gets a backslash, and backslashes before a quote are doubled. */
static void put_word(Text *line, const char *word) {
  if (line->n) text_put(line, " ");
  if (*word && !strpbrk(word, " \t\n\v\"")) {
    text_put(line, "%s", word);
    return;
  }
  text_put(line, "\"");
  for (;; word++) {
    const int slashes = (int)strspn(word, "\\");
    word += slashes;
    const int doubled = !*word ? 2 * slashes : *word == '"' ? 2 * slashes + 1 : slashes;
    for (int i = 0; i < doubled; i++) text_put(line, "\\");
    if (!*word) break;
    text_bytes(line, word, 1);
  }
  text_put(line, "\"");
}

static char *command_line(const Command *command) {
  Text line = {.arena = command->arena};
  for (int i = 0; i < command->words.n; i++) put_word(&line, command->words.data[i]);
  return arena_copy(command->arena, line.s, line.n);
}

/* ---- processes ---- */
static const char *system_message(Arena *arena, DWORD error) {
  char text[512];
  DWORD n = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, error,
                           MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US), text, sizeof text, NULL);
  while (n > 0 && strchr(" .\r\n", text[n - 1])) n--;
  return n ? arena_copy(arena, text, n) : arena_printf(arena, "error %lu", error);
}

/* A copy of a file's handle that the child inherits; the caller closes the copy; NULL on error. */
static HANDLE inherited_handle(FILE *file) {
  HANDLE copy = NULL;
  const HANDLE own = GetCurrentProcess(), handle = (HANDLE)_get_osfhandle(fileno(file));
  fflush(file);
  DuplicateHandle(own, handle, own, &copy, 0, TRUE, DUPLICATE_SAME_ACCESS);
  return copy;
}

static HANDLE open_job(void) {
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {.BasicLimitInformation.LimitFlags =
                                                     JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE};
  const HANDLE made = CreateJobObjectA(NULL, NULL);
  if (made) SetInformationJobObject(made, JobObjectExtendedLimitInformation, &limits, sizeof limits);
  return made;
}

/* Starts the process, which inherits the n handles in `streams` and no others. */
static DWORD create_process(const char *program, char *line, HANDLE *streams, int n, STARTUPINFOEXA *start,
                            HANDLE *process) {
  PROCESS_INFORMATION made;
  SIZE_T bytes = 0;
  InitializeProcThreadAttributeList(NULL, 1, 0, &bytes);
  start->lpAttributeList = malloc(bytes);
  if (!start->lpAttributeList) return ERROR_NOT_ENOUGH_MEMORY;
  DWORD error = 0;
  if (!InitializeProcThreadAttributeList(start->lpAttributeList, 1, 0, &bytes) ||
      !UpdateProcThreadAttribute(start->lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, streams,
                                 (SIZE_T)n * sizeof *streams, NULL, NULL) ||
      !CreateProcessA(program, line, NULL, NULL, TRUE, CREATE_SUSPENDED | EXTENDED_STARTUPINFO_PRESENT, NULL,
                      NULL, &start->StartupInfo, &made))
    error = GetLastError();
  DeleteProcThreadAttributeList(start->lpAttributeList);
  free(start->lpAttributeList);
  if (error) return error;
  if (!job) job = open_job();
  if (job) AssignProcessToJobObject(job, made.hProcess);
  ResumeThread(made.hThread);
  CloseHandle(made.hThread);
  *process = made.hProcess;
  return 0;
}

bool process_start(Command *command, FILE *input, const char **why) {
  if (fatal_event) return false;
  const char *program = on_path(command->arena, command->words.data[0]);
  FILE *messages = command->buffered ? command->buffered : command->messages ? command->messages : stderr;
  HANDLE streams[] = {inherited_handle(input ? input : stdin), inherited_handle(messages),
                      inherited_handle(command->printed ? command->printed : messages)},
         list[3], process = NULL;
  int n = 0;
  for (int i = 0; i < 3; i++)
    if (streams[i]) list[n++] = streams[i];
  STARTUPINFOEXA start = {.StartupInfo = {.cb = sizeof start,
                                          .dwFlags = STARTF_USESTDHANDLES,
                                          .hStdInput = streams[0],
                                          .hStdError = streams[1],
                                          .hStdOutput = streams[2]}};
  const DWORD error = program ? create_process(program, command_line(command), list, n, &start, &process)
                              : ERROR_FILE_NOT_FOUND;
  for (int i = 0; i < n; i++) CloseHandle(list[i]);
  command->process = (intptr_t)process;
  return !error || (*why = arena_printf(command->arena, "%s '%s' cannot be started: %s", command->what,
                                        command->words.data[0],
                                        program ? system_message(command->arena, error) : strerror(ENOENT)),
                    false);
}

static bool process_result(Command *command, DWORD status, const char **why) {
  enum { FIRST_EXCEPTION = 0xC0000000 };
  const bool killed = status >= (DWORD)FIRST_EXCEPTION;
  command->failed = status != 0 && !killed;
  return status == 0 || (*why = arena_printf(command->arena,
                                             killed ? "%s '%s' was ended by exception 0x%lx"
                                                    : "%s '%s' failed with exit status %lu",
                                             command->what, command->words.data[0], status),
                         false);
}

Command *process_wait(Command *list, int n, bool *done, const char **why) {
  HANDLE handles[MAXIMUM_WAIT_OBJECTS]; /* there are at most 64 jobs: one per processor */
  Command *of[MAXIMUM_WAIT_OBJECTS];
  DWORD running = 0, status = 1;
  for (int i = 0; i < n && running < MAXIMUM_WAIT_OBJECTS; i++) {
    if (!list[i].process) continue;
    handles[running] = (HANDLE)list[i].process;
    of[running++] = &list[i];
  }
  const DWORD which = WaitForMultipleObjects(running, handles, FALSE, INFINITE);
  Command *ended = of[which < running ? which : 0];
  GetExitCodeProcess((HANDLE)ended->process, &status);
  CloseHandle((HANDLE)ended->process);
  ended->process = 0;
  *done = process_result(ended, status, why);
  return ended;
}

void processes_stop(const Command *list, int n) {
  if (job) TerminateJobObject(job, STATUS_CONTROL_C_EXIT); /* ends commands and their child processes */
  for (int i = 0; i < n; i++)
    if (list[i].process) TerminateProcess((HANDLE)list[i].process, STATUS_CONTROL_C_EXIT);
}
