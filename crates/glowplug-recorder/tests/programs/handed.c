// The library that a program's main is handed to: shows what it was given.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef WITHOUT_MAIN
int glowplug_main(int count, char **arguments, char **environment, int job) {
    for (int index = 0; index < count; index++) printf("argument %s\n", arguments[index]);
    for (char **variable = environment; *variable; variable++) printf("variable %s\n", *variable);
    printf("job %d\n", job);
    printf("python %d\n", dlsym(RTLD_DEFAULT, "Py_BytesMain") != NULL);
    int (*active)(void) = dlsym(RTLD_DEFAULT, "glowplug_recorder_active");
    printf("recording %d\n", active ? active() : -1);
    return 7;
}
#endif
