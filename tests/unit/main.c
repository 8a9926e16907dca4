/* main.c: Runs the CUnit suites and reports each test as a line of TAP, so that `make check` counts and logs
 * single tests. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SUITE(name) extern CU_TestInfo suite_##name[];
#include "suites.def"
#undef SUITE

static int number;

static void report(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failures) {
  printf("%sok %d - %s: %s\n", failures ? "not " : "", ++number, suite->pName, test->pName);
  for (CU_pFailureRecord f = failures; f; f = f->pNext)
    printf("# %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
  fflush(stdout);
}

int main(int argc, char **argv) { /* argv: the suites to run; without arguments, all suites */
  if (CU_initialize_registry()) return 99;
#define SUITE(name) {#name, NULL, NULL, NULL, NULL, suite_##name},
  CU_SuiteInfo suites[] = {
#include "suites.def"
      CU_SUITE_INFO_NULL};
#undef SUITE
  for (int i = 1; i < argc; i++) {
    bool known = false;
    for (const CU_SuiteInfo *suite = suites; suite->pName; suite++)
      known = known || !strcmp(argv[i], suite->pName);
    if (!known) return fprintf(stderr, "unit: there is no suite '%s'\n", argv[i]), 2;
  }
  for (CU_SuiteInfo *suite = suites; suite->pName; suite++) {
    bool wanted = argc < 2;
    for (int i = 1; i < argc; i++) wanted = wanted || !strcmp(argv[i], suite->pName);
    CU_SuiteInfo one[] = {*suite, CU_SUITE_INFO_NULL};
    if (wanted && CU_register_suites(one)) return 99;
  }
  CU_set_test_complete_handler(report);
  printf("1..%u\n", CU_get_registry()->uiNumberOfTests);
  CU_run_all_tests();
  const int failed = (int)CU_get_number_of_tests_failed();
  CU_cleanup_registry();
  return failed > 0;
}
