/* pace.c: Search for the fastest number of threads. Occasional trials use half or twice the current number of
 * threads; if the calls of a trial are clearly faster than usual, its number of threads is kept. The first
 * call with another number of threads wakes threads and is not counted. A trial ends as soon as its calls are
 * clearly slower than usual. After each trial without success, the time to the next trial doubles, up to a
 * limit; so trials cost about 1 % of the time. Nets whose calls take long get no trials: if a thread has to
 * wait for a processor, the delay is short compared with a long call. Their shortest call counts, because
 * other programs can make the calls of a small net long. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/pace.h"

#include "hosted/base/threads.h"

static const double LONG = 0.1; /* if even the shortest call takes this many seconds, no trials */
/* total seconds of the calls over which a mean is computed: several turns of the system's scheduler, so that
 * a trial does not end while another program waits for its turn */
static const double WINDOW = 0.02;
/* minimum seconds between trials, and minimum as a factor of the shortest call; LATEST times the minimum is
 * the maximum */
static const double SOONEST = 0.1, CALLS = 20, LATEST = 10;
/* limits of the mean time of a trial's calls, as factors of the usual time: below FASTER, the trial's number
 * of threads is kept; above SLOWER, the trial ends early */
static const double FASTER = 0.9, SLOWER = 1.3;
/* minimum number of counted calls of a trial that does not end early */
enum { FEW = 4 };

cnn_pace cnn_pace_of(int32_t most) { return (cnn_pace){.most = most, .threads = most, .patience = SOONEST}; }

int32_t cnn_pace_threads(const cnn_pace *pace) { return pace->tried ? pace->tried : pace->threads; }

static double soonest(const cnn_pace *pace) {
  return CALLS * pace->least > SOONEST ? CALLS * pace->least : SOONEST;
}

static int32_t next_trial(cnn_pace *pace) {
  int32_t more = pace->threads > pace->most / 2 ? pace->most : 2 * pace->threads, fewer = pace->threads / 2;
  bool up = more > pace->threads && (pace->up || fewer == 0);
  pace->up = !up;
  return up ? more : fewer;
}

static void judge_window(cnn_pace *pace) {
  double mean = pace->seconds / (double)pace->calls;
  if (pace->usual > 0 && mean > SLOWER * pace->usual)
    pace->patience = soonest(pace); /* the load of the machine has changed */
  pace->usual = pace->latest > 0 && pace->latest < mean ? pace->latest : mean;
  pace->latest = mean;
  pace->seconds = 0;
  pace->calls = 0;
  if (pace->wait > pace->patience) pace->wait = pace->patience;
  if (pace->wait > 0 || pace->least >= LONG || pace->most == 1) return;
  pace->tried = next_trial(pace);
  pace->woken = false;
}

static void end_trial(cnn_pace *pace, bool better) {
  const double most = LATEST * soonest(pace);
  pace->patience = better ? soonest(pace) : 2 * pace->patience < most ? 2 * pace->patience : most;
  if (better) {
    pace->threads = pace->tried;
    pace->usual = pace->tried_seconds / (double)pace->tried_calls;
    pace->latest = 0;
  }
  pace->tried = 0;
  pace->woken = false;
  pace->tried_calls = 0;
  pace->tried_seconds = 0;
  pace->wait = pace->patience;
}

void cnn_pace_took(cnn_pace *pace, double seconds) {
  if (!pace->woken) {
    pace->woken = true;
    return;
  }
  if (pace->least == 0 || seconds < pace->least) pace->least = seconds;
  if (pace->tried) {
    pace->tried_calls++;
    pace->tried_seconds += seconds;
    double mean = pace->tried_seconds / (double)pace->tried_calls;
    bool slower = mean > SLOWER * pace->usual && pace->tried_calls > 1;
    bool enough = pace->tried_calls >= FEW && pace->tried_seconds >= WINDOW;
    if (slower || enough) end_trial(pace, mean < FASTER * pace->usual);
    return;
  }
  pace->calls++;
  pace->seconds += seconds;
  pace->wait -= seconds;
  if (pace->seconds >= WINDOW) judge_window(pace);
}

double cnn_pace_begin(cnn_pace *pace, const cnn_network *network) {
  const int32_t threads = cnn_pace_threads(pace);
  cnn_threads_use(network, threads);
  if (!pace->woken || (!pace->tried && pace->calls == 0)) cnn_threads_spread(network, threads);
  return cnn_clock();
}

void cnn_pace_end(cnn_pace *pace, double begun) { cnn_pace_took(pace, cnn_clock() - begun); }
