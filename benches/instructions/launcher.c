// `launcher QEMU PLUGIN PROGRAM ARGUMENT...`: the program in QEMU, which hands the collector on to it. It is linked statically, so the
// collector does not take itself out of the environment before.

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments) {
    static const char *const handed_on[] = {"LD_PRELOAD", "GLOWPLUG_COLLECT"};
    if (count < 4) return 2;
    char **line = calloc(count + 16, sizeof *line), **end = line;
    *end++ = arguments[1];
    *end++ = "-cpu";
    *end++ = "max";
    *end++ = "-plugin";
    *end++ = arguments[2];
    for (int i = 0; i < 2; i++) {
        char *variable, *value = getenv(handed_on[i]);
        if (!value || asprintf(&variable, "%s=%s", handed_on[i], value) < 0) continue;
        *end++ = "-E";
        *end++ = variable;
        unsetenv(handed_on[i]);
    }
    for (int i = 3; i < count; i++) *end++ = arguments[i];
    execv(line[0], line);
    perror(line[0]);
    return 126;
}
