/* pace.c: Search for the fastest number of threads. Occasional trials use half or twice the current number of
 * threads; if the calls of a trial are clearly faster than usual, its number of threads is kept. The first
 * call of a trial wakes threads and is not counted. A trial ends as soon as its calls are clearly slower than
 * usual. After each trial without success, the time to the next trial doubles, up to 1 s; so trials cost
 * about 1 % of the time. Long calls get no trials: if a thread has to wait for a processor, the delay is
 * short compared with a long call. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/pace.h"

#include "hosted/base/threads.h"

static const double LONG = 0.02; /* calls of this many seconds or more get no trials */
/* total seconds of the calls over which a mean is computed: WINDOW outside of trials, TRIAL in a trial */
static const double WINDOW = 0.02, TRIAL = 0.005;
static const double SOONEST = 0.1, LATEST = 1; /* seconds between trials */
/* limits of the mean time of a trial's calls, as factors of the usual time: below FASTER, the trial's number
 * of threads is kept; above SLOWER, the trial ends early */
static const double FASTER = 0.9, SLOWER = 1.3;
/* minimum number of counted calls of a trial that does not end early */
enum { FEW = 4 };

cnn_pace cnn_pace_of(int32_t most) { return (cnn_pace){.most = most, .threads = most, .patience = SOONEST}; }

int32_t cnn_pace_threads(const cnn_pace *pace) { return pace->tried ? pace->tried : pace->threads; }

static int32_t next_trial(cnn_pace *pace) {
  int32_t more = pace->threads > pace->most / 2 ? pace->most : 2 * pace->threads, fewer = pace->threads / 2;
  bool up = more > pace->threads && (pace->up || fewer == 0);
  pace->up = !up;
  return up ? more : fewer;
}

static void judge_window(cnn_pace *pace) {
  double mean = pace->seconds / (double)pace->calls;
  if (pace->usual > 0 && mean > SLOWER * pace->usual)
    pace->patience = SOONEST; /* the load of the machine has changed */
  pace->usual = mean;
  pace->seconds = 0;
  pace->calls = 0;
  if (pace->wait > pace->patience) pace->wait = pace->patience;
  if (pace->wait <= 0 && mean < LONG && pace->most > 1) pace->tried = next_trial(pace);
}

static void end_trial(cnn_pace *pace, bool better) {
  pace->patience = better ? SOONEST : 2 * pace->patience < LATEST ? 2 * pace->patience : LATEST;
  if (better) {
    pace->threads = pace->tried;
    pace->usual = pace->tried_seconds / (double)pace->tried_calls;
  }
  pace->tried = 0;
  pace->woken = false;
  pace->tried_calls = 0;
  pace->tried_seconds = 0;
  pace->wait = pace->patience;
}

void cnn_pace_took(cnn_pace *pace, double seconds) {
  if (pace->tried && !pace->woken) {
    pace->woken = true;
    return;
  }
  if (pace->tried) {
    pace->tried_calls++;
    pace->tried_seconds += seconds;
    double mean = pace->tried_seconds / (double)pace->tried_calls;
    bool slower = mean > SLOWER * pace->usual && pace->tried_calls > 1;
    bool enough = pace->tried_calls >= FEW && pace->tried_seconds >= TRIAL;
    if (slower || enough) end_trial(pace, mean < FASTER * pace->usual);
    return;
  }
  pace->calls++;
  pace->seconds += seconds;
  pace->wait -= seconds;
  if (pace->seconds >= WINDOW) judge_window(pace);
}

double cnn_pace_begin(cnn_pace *pace, const cnn_network *network) {
  cnn_threads_use(network, cnn_pace_threads(pace));
  return cnn_clock();
}

void cnn_pace_end(cnn_pace *pace, double begun) { cnn_pace_took(pace, cnn_clock() - begun); }
