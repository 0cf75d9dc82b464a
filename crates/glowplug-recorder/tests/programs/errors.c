// errno is only changed by calls that fail, and says then what it always says.
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEEPS(call) do { errno = EXDEV; if (!(call) || errno != EXDEV) { \
    fprintf(stderr, "%s: errno %d\n", #call, errno); return 1; } } while (0)
#define FAILS(call, error) do { errno = EXDEV; if ((call) || errno != error) { \
    fprintf(stderr, "%s: errno %d, not %d\n", #call, errno, error); return 1; } } while (0)

int main(void) {
    struct stat status;
    char buffer[PATH_MAX];
    int fd;
    const char *volatile nowhere = NULL;
    if (dlerror()) return 2;
    KEEPS((fd = open("/etc/passwd", O_RDONLY)) >= 0);
    KEEPS(stat("/", &status) == 0);
    KEEPS(stat(".", &status) == 0);
    KEEPS(access("/", F_OK) == 0);
    KEEPS(readlink("/proc/self/exe", buffer, sizeof buffer) > 0);
    KEEPS(opendir("/") != NULL);
    KEEPS(getenv("PATH") != NULL);
    KEEPS(!getenv("ABSENT"));
    FAILS(open("/absent", O_RDONLY) >= 0, ENOENT);
    FAILS(open("/etc/passwd/x", O_RDONLY) >= 0, ENOTDIR);
    FAILS(open("relative-and-absent", O_RDONLY) >= 0, ENOENT);
    FAILS(openat(fd, "below-a-file", O_RDONLY) >= 0, ENOTDIR);
    FAILS(openat(1000, "x", O_RDONLY) >= 0, EBADF);
    FAILS(open(nowhere, O_RDONLY) >= 0, EFAULT);
    FAILS(stat(nowhere, &status) == 0, EFAULT);
    FAILS(stat("", &status) == 0, ENOENT);
    FAILS(fopen("/absent", "r") != NULL, ENOENT);
    FAILS(mkdir("/", 0700) == 0, EEXIST);
    FAILS(execv("/absent", (char *[]){"x", NULL}) == 0, ENOENT);
    return 0;
}
