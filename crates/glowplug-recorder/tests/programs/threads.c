// Looks for 2000 absent files in each of 8 threads.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *look(void *thread) {
    char path[64];
    for (int number = 0; number < 2000; number++) {
        snprintf(path, sizeof path, "/absent/%ld/%d", (long)thread, number);
        access(path, F_OK);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[8];
    for (long thread = 0; thread < 8; thread++)
        if (pthread_create(&threads[thread], NULL, look, (void *)thread)) return 1;
    for (int thread = 0; thread < 8; thread++) pthread_join(threads[thread], NULL);
    return 0;
}
