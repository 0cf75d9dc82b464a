// A library of the user's: its constructor reads and changes the environment.
#include <stdlib.h>

__attribute__((constructor)) static void start(void) {
    const char *value = getenv("A_VARIABLE");
    setenv("USER_LIBRARY", value ? value : "none", 1);
}
