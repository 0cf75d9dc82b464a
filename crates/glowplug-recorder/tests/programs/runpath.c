// Built three times: as a program that calls `load` of a library, as that library, which loads
// another by its bare name, and as that other.
#include <dlfcn.h>
#include <stdio.h>

#if defined(INNER)
int answer(void) { return 42; }
#elif defined(OUTER)
int load(void) {
    void *inner = dlopen("libinner-of-runpath.so", RTLD_NOW);
    if (!inner) { fprintf(stderr, "%s\n", dlerror()); return 1; }
    int (*answer)(void) = dlsym(inner, "answer");
    return answer() == 42 ? 0 : 2;
}
#else
int main(int count, char **arguments) {
    void *outer = count == 2 ? dlopen(arguments[1], RTLD_NOW) : NULL;
    if (!outer) return 3;
    int (*load)(void) = dlsym(outer, "load");
    return load();
}
#endif
