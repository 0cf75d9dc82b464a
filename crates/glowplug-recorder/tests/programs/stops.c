// Recording is ended in a forked child and then in the process itself.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int mappings(const char *what) {
    char line[4096];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) count += strstr(line, what) != NULL;
    fclose(maps);
    return count;
}

#define MUST(condition) do { if (!(condition)) { \
    fprintf(stderr, "line %d: %s\n", __LINE__, #condition); exit(1); } } while (0)

int main(void) {
    void (*stop)(void) = dlsym(RTLD_DEFAULT, "glowplug_recorder_stop");
    void (*flags)(unsigned long, unsigned long) = dlsym(RTLD_DEFAULT, "glowplug_recorder_flags");
    int (*active)(void) = dlsym(RTLD_DEFAULT, "glowplug_recorder_active");
    int status;
    MUST(stop && flags && active);
    MUST(active() == 1 && mappings("/memfd:") == 1);
    pid_t child = fork();
    if (child == 0) {
        MUST(active() == 0 && mappings("/memfd:") == 1);
        flags(1, 0);
        stop();
        MUST(active() == 0 && mappings("/memfd:") == 0 && mappings("rw-s") == 0);
        MUST(access("/absent/child", F_OK) < 0);
        _exit(0);
    }
    MUST(waitpid(child, &status, 0) == child && status == 0);
    MUST(active() == 1);
    access("/absent/before", F_OK);
    stop();
    stop();
    flags(1, 0);
    MUST(active() == 0 && mappings("/memfd:") == 0 && mappings("rw-s") == 0);
    MUST(access("/absent/after", F_OK) < 0 && getenv("PATH"));
    return 0;
}
