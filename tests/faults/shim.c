/* Makes the n-th file operation under a directory fail, or the last one of its process: for LD_PRELOAD.

Calls of the C library that change files are counted, where their file is under the directory; every one of them is told
in a log, `kind path`, a line a call. Opening a file to read it is a kind of its own, which is counted where it is asked
for. Nothing is counted before `fault_arm`. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum how { ONCE, FOR_GOOD, SHORT, DIE };

static struct {
    char folder[PATH_MAX];
    size_t length;
    long at;       /* the call that it happens to, from 1; 0: none */
    int error;     /* errno; what happens to SHORT and DIE is told apart by how */
    enum how how;
    int reading;   /* whether files that are opened to be read count */
    int log;
    long counted;
} fault = {.log = -1};

/* Count from now on: calls under `folder`, told in the file `log`, of which the `at`-th fails with `error`. */
void fault_arm(const char *folder, const char *log, long at, int error, int how, int reading) {
    snprintf(fault.folder, sizeof fault.folder, "%s", folder);
    fault.length = strlen(folder);
    fault.at = at, fault.error = error, fault.how = how, fault.reading = reading, fault.counted = 0;
    fault.log = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The path of a file as it is called relative to the folder `at`, as text in `whole`. */
static const char *path_of(int at, const char *path, char *whole) {
    char link[64], folder[PATH_MAX];
    if (path != NULL && path[0] == '/') return path;
    if (at == AT_FDCWD && path != NULL) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t length = readlink(link, folder, sizeof folder - 1);
    if (length < 0) return "";
    folder[length] = 0;
    if (path == NULL) snprintf(whole, PATH_MAX, "%s", folder);
    else snprintf(whole, PATH_MAX, "%.*s/%s", (int)(PATH_MAX - 2 - strlen(path)), folder, path);
    return whole;
}

/* Whether this call fails; it counts where its file is under the directory. */
static int fails(const char *kind, int at, const char *path) {
    if (fault.log < 0) return 0;
    int before = errno;
    char buffer[PATH_MAX], line[PATH_MAX + 32];
    const char *whole = path_of(at, path, buffer);
    errno = before;
    if (strncmp(whole, fault.folder, fault.length) != 0) return 0;
    if (whole[fault.length] != '/' && whole[fault.length] != 0) return 0;
    long number = __sync_add_and_fetch(&fault.counted, 1);
    int length = snprintf(line, sizeof line, "%s %s\n", kind, whole + fault.length);
    syscall(SYS_write, fault.log, line, length);
    if (fault.at == 0 || number < fault.at || (number > fault.at && fault.how != FOR_GOOD)) return 0;
    if (fault.how == DIE) syscall(SYS_kill, getpid(), SIGKILL);
    errno = fault.error;
    return fault.how != SHORT;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* --- opening ------------------------------------------------------------------------------------------------------- */

static int open_fails(int at, const char *path, int flags) {
    if ((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT) return fails("open", at, path);
    return fault.reading && !(flags & O_DIRECTORY) && fails("read", at, path);
}

static mode_t mode_of(int flags, va_list more) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

#define OPEN(name)                                        \
    int name(const char *path, int flags, ...) {          \
        va_list more;                                     \
        va_start(more, flags);                            \
        mode_t mode = mode_of(flags, more);               \
        va_end(more);                                     \
        if (open_fails(AT_FDCWD, path, flags)) return -1; \
        return NEXT(name)(path, flags, mode);             \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                  \
    int name(int at, const char *path, int flags, ...) { \
        va_list more;                                 \
        va_start(more, flags);                        \
        mode_t mode = mode_of(flags, more);           \
        va_end(more);                                 \
        if (open_fails(at, path, flags)) return -1;   \
        return NEXT(name)(at, path, flags, mode);     \
    }
OPENAT(openat)
OPENAT(openat64)

/* --- writing ------------------------------------------------------------------------------------------------------- */

/* Of a short write half is written. */
static size_t written(size_t size) {
    return fault.how == SHORT && fault.counted == fault.at && size > 1 ? size / 2 : size;
}

ssize_t write(int file, const void *bytes, size_t size) {
    if (fails("write", file, NULL)) return -1;
    return NEXT(write)(file, bytes, written(size));
}

#define PWRITE(name, offset_type)                                             \
    ssize_t name(int file, const void *bytes, size_t size, offset_type at) { \
        if (fails("write", file, NULL)) return -1;                            \
        return NEXT(name)(file, bytes, written(size), at);                    \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int file, const struct iovec *parts, int count) {
    if (fails("write", file, NULL)) return -1;
    return NEXT(writev)(file, parts, count);
}

#define SENDFILE(name, offset_type)                                   \
    ssize_t name(int to, int from, offset_type *at, size_t size) {    \
        if (fails("sendfile", to, NULL)) return -1;                   \
        return NEXT(name)(to, from, at, written(size));               \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned flags) {
    if (fails("sendfile", to, NULL)) return -1;
    return NEXT(copy_file_range)(from, from_at, to, to_at, written(size), flags);
}

#define OF_A_FILE(name, kind, parameters, ...)   \
    int name parameters {                        \
        if (fails(kind, file, NULL)) return -1;  \
        return NEXT(name)(__VA_ARGS__);          \
    }
OF_A_FILE(fsync, "fsync", (int file), file)
OF_A_FILE(fdatasync, "fsync", (int file), file)
OF_A_FILE(ftruncate, "truncate", (int file, off_t size), file, size)
OF_A_FILE(ftruncate64, "truncate", (int file, off64_t size), file, size)

/* --- names --------------------------------------------------------------------------------------------------------- */

#define OF_A_PATH(name, kind, at, parameters, ...) \
    int name parameters {                          \
        if (fails(kind, at, path)) return -1;      \
        return NEXT(name)(__VA_ARGS__);            \
    }
OF_A_PATH(rename, "rename", AT_FDCWD, (const char *path, const char *to), path, to)
OF_A_PATH(renameat, "rename", at, (int at, const char *path, int other, const char *to), at, path, other, to)
OF_A_PATH(mkdir, "mkdir", AT_FDCWD, (const char *path, mode_t mode), path, mode)
OF_A_PATH(mkdirat, "mkdir", at, (int at, const char *path, mode_t mode), at, path, mode)
OF_A_PATH(unlink, "unlink", AT_FDCWD, (const char *path), path)
OF_A_PATH(rmdir, "rmdir", AT_FDCWD, (const char *path), path)

int unlinkat(int at, const char *path, int flags) {
    if (fails(flags & AT_REMOVEDIR ? "rmdir" : "unlink", at, path)) return -1;
    return NEXT(unlinkat)(at, path, flags);
}
