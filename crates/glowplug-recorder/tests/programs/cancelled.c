// A thread that waits in open is cancelled: the hook must let the cancellation through.
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int cleaned;

static void clean(void *unused) { (void)unused; cleaned = 1; }

static void *wait_for_writer(void *path) {
    pthread_cleanup_push(clean, NULL);
    open(path, O_RDONLY);
    pthread_cleanup_pop(0);
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t thread;
    void *result;
    if (count != 2 || mkfifo(arguments[1], 0600)) return 1;
    if (pthread_create(&thread, NULL, wait_for_writer, arguments[1])) return 2;
    pthread_cancel(thread);
    pthread_join(thread, &result);
    return result == PTHREAD_CANCELED && cleaned ? 0 : 3;
}
