// Does one thing after the other in its working directory; the test knows the record by heart.
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// No string is there; volatile, or the compiler would say so.
static char *volatile nowhere = (char *)8;

#define MUST(call) do { if (!(call)) { perror(#call); exit(1); } } while (0)

static void files(void) {
    int fd;
    FILE *file;
    MUST((fd = open("new", O_CREAT | O_WRONLY | O_EXCL, 0640)) >= 0);
    struct stat status;
    MUST(fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0640);
    MUST(open("new", O_RDONLY) >= 0);
    MUST(open("new", O_RDWR) >= 0);
    MUST(open("new", O_PATH) >= 0);
    MUST(open("absent", O_RDONLY) < 0);
    MUST((file = fopen("new", "r")));
    MUST((file = freopen("new", "a+", file)));
    MUST(!fopen("absent", "r"));
    MUST(creat("made", 0600) >= 0);
    char template[] = "temporary-XXXXXX";
    MUST(mkstemp(template) >= 0);
    MUST(unlink(template) == 0);
}

static void directories(void) {
    int directory;
    struct dirent **names;
    MUST(mkdir("folder", 0700) == 0);
    MUST(mkdir("folder", 0700) < 0);
    MUST((directory = open("folder", O_RDONLY | O_DIRECTORY)) >= 0);
    MUST(openat(directory, "inner", O_CREAT | O_WRONLY, 0600) >= 0);
    MUST(openat(directory, "inner", O_RDONLY) >= 0);
    struct stat status;
    MUST(fstatat(directory, "nothing", &status, 0) < 0);
    MUST(fstatat(directory, "", &status, AT_EMPTY_PATH) == 0);
    MUST(opendir("folder"));
    MUST(fdopendir(directory));
    MUST(scandir("folder", &names, NULL, alphasort) == 3);
    MUST(!opendir("absent"));
    MUST(rename("made", "folder/moved") == 0);
    MUST(rmdir("absent") < 0);
}

static void looks(void) {
    struct stat status;
    struct statx extended;
    char buffer[PATH_MAX];
    MUST(stat("new", &status) == 0);
    MUST(lstat("new/below", &status) < 0 && errno == ENOTDIR);
    MUST(statx(AT_FDCWD, "/", 0, STATX_ALL, &extended) == 0);
    MUST(access("new", R_OK) == 0);
    MUST(access("absent", R_OK) < 0);
    MUST(symlink("new", "link") == 0);
    MUST(readlink("link", buffer, sizeof buffer) == 3);
    MUST(readlink("new", buffer, sizeof buffer) < 0);
    MUST(realpath("link", buffer));
    MUST(stat(nowhere, &status) < 0 && errno == EFAULT);
    getenv("A_VARIABLE");
    secure_getenv("NO_VARIABLE");
}

static void others(void) {
    pid_t child;
    int status;
    char *arguments[] = {"true", NULL};
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    MUST(bind(server, (struct sockaddr *)&address, sizeof address) == 0);
    MUST(connect(client, (struct sockaddr *)&address, sizeof address) < 0);
    MUST(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0);
    MUST(waitpid(child, &status, 0) == child && status == 0);
    MUST(posix_spawnp(&child, "true", NULL, NULL, arguments, environ) == 0);
    MUST(waitpid(child, &status, 0) == child && status == 0);
    MUST(system("exit 3") == 3 << 8);
    MUST(!dlopen("/absent/library.so", RTLD_NOW));
    MUST(execv("/absent/program", arguments) < 0);
    MUST(execv(nowhere, arguments) < 0 && errno == EFAULT);
}

int main(void) {
    void (*flags)(unsigned long, unsigned long) = dlsym(RTLD_DEFAULT, "glowplug_recorder_flags");
    files();
    directories();
    looks();
    others();
    if (flags) {
        flags(1, 0);
        MUST(opendir("folder"));
        flags(0, 1);
        MUST(opendir("folder"));
    }
    return 0;
}
