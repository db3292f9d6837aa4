/* Preloaded into a server by a test (kill_step.rs): counts the steps that it takes on files whose path holds
 * KILL_STEP_PATH, and ends the process as `kill -9` does before step KILL_STEP. A step is a call that changes what a later
 * start finds: a creation, a write, a sync, a rename, a removal. Calls that do not go through libc are not seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long step_at;
static long taken;
static const char *within;

__attribute__((constructor)) static void begin(void) {
  const char *at = getenv("KILL_STEP");
  within = getenv("KILL_STEP_PATH");
  step_at = (at && within) ? atol(at) : 0;
}

static void step(const char *path) {
  if (step_at && path && strstr(path, within) && __atomic_add_fetch(&taken, 1, __ATOMIC_SEQ_CST) == step_at)
    kill(getpid(), SIGKILL);
}

static void step_of(int fd) {
  if (!step_at) return;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return;
  path[n] = 0;
  step(path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    if (flags & (O_CREAT | O_TRUNC)) step(path); \
    return NEXT(name)(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define OF_FD(result, name, parameters, arguments) \
  result name parameters { \
    step_of(fd); \
    return NEXT(name) arguments; \
  }
OF_FD(ssize_t, write, (int fd, const void *bytes, size_t n), (fd, bytes, n))
OF_FD(ssize_t, pwrite, (int fd, const void *bytes, size_t n, off_t at), (fd, bytes, n, at))
OF_FD(ssize_t, pwrite64, (int fd, const void *bytes, size_t n, off64_t at), (fd, bytes, n, at))
OF_FD(int, fsync, (int fd), (fd))
OF_FD(int, fdatasync, (int fd), (fd))
OF_FD(int, ftruncate, (int fd, off_t n), (fd, n))
OF_FD(int, ftruncate64, (int fd, off64_t n), (fd, n))

#define OF_PATH(name, parameters, arguments) \
  int name parameters { \
    step(path); \
    return NEXT(name) arguments; \
  }
OF_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
OF_PATH(rmdir, (const char *path), (path))
OF_PATH(unlink, (const char *path), (path))
OF_PATH(rename, (const char *path, const char *to), (path, to))
OF_PATH(link, (const char *path, const char *to), (path, to))
