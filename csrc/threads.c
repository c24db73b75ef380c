/* A small pool of pthreads for one loop at a time.

   A loop is open while `joined` has no CLOSED bit. Workers join an open loop, take chunks until none is left, and leave; the caller
   takes chunks too, closes the loop when none is left, and waits only for those who had joined. A worker that is still waking up
   therefore never holds the caller back. Between loops workers look out for the next one for some microseconds, then sleep. One that
   finds itself on its caller's CPU has a new thread take its place, for which the system looks for room.

   Each worker begins with the same share of the chunks in every loop, so that it meets what it wrote in the loop before, or in the
   same one of the call before, in its own caches; when its share is done, it takes from the others'. */
#define _GNU_SOURCE /* sched_getcpu */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "fastcnn.h"
#include "memory.h"

enum {
  MAX_POOL = 1024,           /* threads that the pool ever starts; larger requests are met with as many */
  SPINS_BEFORE_SLEEP = 4000, /* some tens of microseconds: the time between two kernels of one network */
  SPINS_BEFORE_YIELD = 200,
  FAIR_SHARES = 32, /* times that a worker takes chunks, at least where there are so many: each may cost the others a cache miss */
  SETTLED = 10000000, /* nanoseconds before another worker makes room for a new thread, which takes it some tens of microseconds */
  WAKING = 20, /* shares of work that are worth waking threads for: it takes the caller some microseconds, and them some tens */
};

static const int64_t CLOSED = (int64_t)1 << 32;

/* How a thread rounds, and what it does with subnormal numbers: the bits of a register. */
typedef uint64_t float_mode;

static float_mode read_float_mode(void) {
#if defined(__x86_64__)
  return __builtin_ia32_stmxcsr() & ~0x3Fu; /* without what operations found, which is no mode */
#elif defined(__aarch64__)
  float_mode mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return 0;
#endif
}

static void write_float_mode(float_mode mode) {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr((unsigned)mode);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
  (void)mode;
#endif
}

static struct {
  /* The loop that is open. */
  fcnn_chunk_fn fn;
  void *context;
  int64_t chunks, workers, taken;                       /* so many chunks are taken at once */
  float_mode mode;                                      /* of the thread whose loop it is, */
  atomic_int cpu;                                       /* and where it began the loop */
  _Alignas(FCNN_CACHE_LINE) atomic_int_fast64_t joined; /* workers inside the loop, plus CLOSED */
  /* The pool. */
  _Alignas(FCNN_CACHE_LINE) atomic_uint_fast64_t loops; /* how many loops were opened */
  atomic_bool given_up;                                 /* the call whose loop is open */
  atomic_int sleepers;
  _Atomic(double) unshared; /* nanoseconds of work that were not shared out for they were not worth waking anybody */
  pthread_mutex_t caller;   /* held by the thread whose loop is open, */
  pthread_mutex_t starting; /* by one that starts a thread, and by one that forks */
  pthread_mutex_t sleep;
  pthread_cond_t wake;
  int64_t started;
  atomic_int_fast64_t replaced; /* when the last worker was, in nanoseconds */
} pool = {
    .joined = (int64_t)1 << 32,
    .caller = PTHREAD_MUTEX_INITIALIZER,
    .starting = PTHREAD_MUTEX_INITIALIZER,
    .sleep = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
};

/* Of the chunks that are meant for each worker, the first that nobody has taken. */
static struct {
  _Alignas(FCNN_CACHE_LINE) atomic_int_fast64_t next;
} shares[MAX_POOL];

static atomic_int_fast64_t num_threads = 1;

void fcnn_set_num_threads(int64_t count) { atomic_store(&num_threads, fcnn_max(count, 1)); }

int64_t fcnn_get_num_threads(void) { return atomic_load(&num_threads); }

/* Nanoseconds of work for each worker: what is less than two of them is not shared out. */
static _Atomic(double) least_share = 5000;

void fcnn_set_least_share(double nanoseconds) { atomic_store(&least_share, nanoseconds); }

/* Whether to wake the threads for `work`. Many small loops are worth it together, as one large one is: a thread that is woken looks out
   for the next ones, and the time that waking takes is a small part of the work since it was last done. */
static bool worth_waking(fcnn_work work, double share) {
  const double unshared = atomic_load_explicit(&pool.unshared, memory_order_relaxed) + work;
  atomic_store_explicit(&pool.unshared, unshared, memory_order_relaxed);
  return unshared >= WAKING * share;
}

int64_t fcnn_workers(int64_t chunks, fcnn_work work) {
  const int64_t most = fcnn_min(fcnn_min(atomic_load(&num_threads), MAX_POOL), chunks);
  const double share = atomic_load_explicit(&least_share, memory_order_relaxed);
  if (most <= 1 || work < 2 * share) return 1;
  if (atomic_load_explicit(&pool.sleepers, memory_order_relaxed) > 0 && !worth_waking(work, share)) return 1;
  return work < (double)most * share ? (int64_t)(work / share) : most;
}

static inline void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int (*_Atomic interruption)(void);
static atomic_int_fast64_t patience;

void fcnn_set_interruption(int (*asked)(void), int64_t nanoseconds) {
  atomic_store(&patience, nanoseconds);
  atomic_store(&interruption, asked);
}

/* glibc gives a library's variables of a thread memory when the thread first looks at them, and aborts where there is none; but for some small
   ones there is room in every thread from its beginning. */
#if defined(__GLIBC__)
#define THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define THREAD_LOCAL _Thread_local
#endif

/* What a thread is doing: one of the pool's works for the loop that is open, any other one for a call of its own. */
static THREAD_LOCAL struct {
  bool in_pool, holds; /* the pool, whose loop is open */
  bool leads;          /* it in the call that runs now, which may be one of a signal's handler */
  bool whole;          /* nothing is given up */
  bool given_up;
  int64_t ask_at; /* nanoseconds */
} self;

static int64_t coarse_time(void) {
#if defined(CLOCK_MONOTONIC_COARSE)
  const clockid_t clock = CLOCK_MONOTONIC_COARSE; /* read for each chunk, in some nanoseconds */
#else
  const clockid_t clock = CLOCK_MONOTONIC;
#endif
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A loop begins: unless others did shortly before, nobody is asked for a while. */
static void have_patience(void) {
  const int64_t now = coarse_time(), wait = atomic_load_explicit(&patience, memory_order_relaxed);
  if (now >= self.ask_at + wait) self.ask_at = now + wait;
}

bool fcnn_given_up(void) {
  if (self.in_pool) return atomic_load_explicit(&pool.given_up, memory_order_relaxed);
  if (self.given_up || self.whole) return self.given_up;
  int (*asked)(void) = atomic_load_explicit(&interruption, memory_order_relaxed);
  if (!asked) return false;
  const int64_t now = coarse_time();
  if (now < self.ask_at) return false;
  self.ask_at = now + atomic_load_explicit(&patience, memory_order_relaxed);
  const bool leads = self.leads;
  self.leads = false; /* if a handler's own call is given up, this one goes on */
  if (asked() != 0) self.given_up = true;
  self.leads = leads;
  if (leads) atomic_store(&pool.given_up, self.given_up);
  return self.given_up;
}

bool fcnn_was_given_up(void) {
  const bool given_up = self.given_up;
  self.given_up = false;
  return given_up;
}

/* The first chunk of a worker's share. */
static int64_t share_begin(int64_t worker) {
  return pool.chunks / pool.workers * worker + fcnn_min(pool.chunks % pool.workers, worker);
}

/* Takes what is left of the share of `owner`. */
static bool run_share(int64_t owner, int64_t worker) {
  const int64_t end = share_begin(owner + 1);
  for (int64_t chunk; (chunk = atomic_fetch_add(&shares[owner].next, pool.taken)) < end;)
    for (const int64_t last = fcnn_min(chunk + pool.taken, end); chunk < last; chunk++) {
      if (fcnn_given_up()) return false;
      pool.fn(pool.context, chunk, worker);
    }
  return true;
}

/* A worker's own share, whose arrays it may have in its caches from the loop before, then what is left of the others'. */
static void run_chunks(int64_t worker) {
  for (int64_t i = 0; i < pool.workers; i++)
    if (!run_share((worker + i) % pool.workers, worker)) return;
}

static bool join(void) {
  int_fast64_t joined = atomic_load(&pool.joined);
  while (!(joined & CLOSED))
    if (atomic_compare_exchange_weak(&pool.joined, &joined, joined + 1)) return true;
  return false;
}

/* Returns when more loops than `seen` were opened, with their number. */
static uint_fast64_t wait_for_loop(uint_fast64_t seen) {
  for (int spin = 0; spin < SPINS_BEFORE_SLEEP; spin++) {
    const uint_fast64_t loops = atomic_load(&pool.loops);
    if (loops != seen) return loops;
    pause_briefly();
  }
  pthread_mutex_lock(&pool.sleep);
  atomic_fetch_add(&pool.sleepers, 1);
  while (atomic_load(&pool.loops) == seen) pthread_cond_wait(&pool.wake, &pool.sleep);
  atomic_fetch_sub(&pool.sleepers, 1);
  pthread_mutex_unlock(&pool.sleep);
  return atomic_load(&pool.loops);
}

static int this_cpu(void) {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

static void *work(void *argument);

/* A thread is made with what the C library kept of one that has ended, and frees what that one had: a fork must not catch it in between, or the
   child frees the same again. The caller takes no signals, so no handler forks while the lock is held. The thread is detached from its beginning:
   one that has ended before pthread_detach comes to it may be no more. */
static bool start_thread(int64_t worker) {
  pthread_t thread;
  pthread_attr_t detached;
  if (pthread_attr_init(&detached) != 0) return false;
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_mutex_lock(&pool.starting);
  const bool started = pthread_create(&thread, &detached, work, (void *)(intptr_t)worker) == 0;
  pthread_mutex_unlock(&pool.starting);
  pthread_attr_destroy(&detached);
  return started;
}

/* Whether a new thread is the worker from now on, for this one is on its caller's CPU. The two would take turns until the system moves one, which
   waits for longer the busier they are: for up to 50 ms, loops took two threads as long as one, or half as long again. */
static bool replaced(int64_t worker) {
  const int cpu = this_cpu();
  if (cpu < 0 || cpu != atomic_load_explicit(&pool.cpu, memory_order_relaxed)) return false;
  int_fast64_t last = atomic_load(&pool.replaced);
  const int64_t now = coarse_time();
  return now - last >= SETTLED && atomic_compare_exchange_strong(&pool.replaced, &last, now) && start_thread(worker);
}

static void *work(void *argument) {
  const int64_t worker = (int64_t)(intptr_t)argument;
  self.in_pool = true;
  for (uint_fast64_t seen = 0;;) {
    seen = wait_for_loop(seen);
    if (replaced(worker)) return NULL;
    if (!join()) continue;
    if (worker < pool.workers) {
      if (read_float_mode() != pool.mode) write_float_mode(pool.mode);
      run_chunks(worker);
    }
    atomic_fetch_sub(&pool.joined, 1);
  }
}

/* A forked child has none of its parent's threads: it starts with an empty pool of its own. Where a signal's handler forked, inside a loop, the chunks
   that other threads had taken are lost, and so is the call. */
static void reset_in_child(void) {
  pthread_mutex_init(&pool.caller, NULL);
  pthread_mutex_init(&pool.starting, NULL);
  if (self.holds) {
    pthread_mutex_lock(&pool.caller);
    self.given_up = true;
  }
  pthread_mutex_init(&pool.sleep, NULL);
  pthread_cond_init(&pool.wake, NULL);
  atomic_store(&pool.joined, CLOSED);
  atomic_store(&pool.sleepers, 0);
  atomic_store(&pool.loops, 0);
  pool.started = 0;
}

static void before_fork(void) { pthread_mutex_lock(&pool.starting); }
static void after_fork(void) { pthread_mutex_unlock(&pool.starting); }
static void register_fork(void) { pthread_atfork(before_fork, after_fork, reset_in_child); }

/* Starts threads up to worker number workers - 1, as far as the system lets it. Called with pool.caller held. */
static void start_threads(int64_t workers) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (pool.started >= workers - 1) return;
  pthread_once(&once, register_fork);
  /* Signals are the application's: its own threads take them. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.started < workers - 1 && start_thread(pool.started + 1)) pool.started++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void open_loop(fcnn_chunk_fn fn, void *context, int64_t chunks, int64_t workers) {
  pool.fn = fn;
  pool.context = context;
  pool.chunks = chunks;
  pool.workers = workers;
  pool.taken = fcnn_max(chunks / (workers * FAIR_SHARES), 1);
  pool.mode = read_float_mode();
  atomic_store_explicit(&pool.cpu, this_cpu(), memory_order_relaxed);
  for (int64_t worker = 0; worker < workers; worker++)
    atomic_store_explicit(&shares[worker].next, share_begin(worker), memory_order_relaxed);
  atomic_store(&pool.given_up, false);
  atomic_store(&pool.joined, 0);
  atomic_fetch_add(&pool.loops, 1);
  if (atomic_load(&pool.sleepers) > 0) {
    atomic_store_explicit(&pool.unshared, 0, memory_order_relaxed);
    pthread_mutex_lock(&pool.sleep);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.sleep);
  }
}

/* Waits for those who are inside the loop, whose chunks may be long: nobody asks but the thread whose call it is. */
static void close_loop(void) {
  atomic_fetch_or(&pool.joined, CLOSED);
  for (int spin = 0; atomic_load(&pool.joined) != CLOSED; spin++) {
    if (spin < SPINS_BEFORE_YIELD) {
      pause_briefly();
    } else {
      fcnn_given_up();
      sched_yield();
    }
  }
}

void fcnn_parallel_for(fcnn_chunk_fn fn, void *context, int64_t chunks, int64_t workers) {
  if (self.given_up) return; /* and wake nobody, who would not know */
  have_patience();
  if (workers > 1 && chunks > 1 && pthread_mutex_trylock(&pool.caller) == 0) {
    start_threads(workers);
    open_loop(fn, context, chunks, workers);
    self.holds = self.leads = true;
    run_chunks(0);
    close_loop();
    self.holds = self.leads = false;
    pthread_mutex_unlock(&pool.caller);
  } else {
    for (int64_t chunk = 0; chunk < chunks && !fcnn_given_up(); chunk++) fn(context, chunk, 0);
  }
}

void fcnn_parallel_for_all(fcnn_chunk_fn fn, void *context, int64_t chunks, int64_t workers) {
  self.whole = true;
  fcnn_parallel_for(fn, context, chunks, workers);
  self.whole = false;
}
