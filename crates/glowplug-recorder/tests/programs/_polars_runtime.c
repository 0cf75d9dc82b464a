// A library of this name has its first thread held back until a forked child asks for it.
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static sem_t served, other;

static void *serve(void *argument) {
    if (*(int *)argument == 42) sem_post(&served);
    return NULL;
}

static void *work(void *argument) {
    sem_post(&other);
    return argument;
}

int main(void) {
    static int argument = 42;
    pthread_t first, second;
    int held;
    sem_init(&served, 0, 0);
    sem_init(&other, 0, 0);
    if (pthread_create(&first, NULL, serve, &argument) || pthread_detach(first)) return 1;
    if (pthread_create(&second, NULL, work, NULL) || pthread_join(second, NULL)) return 2;
    sem_wait(&other);
    pid_t child = fork();
    if (child == 0) {
        void (*stop)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "glowplug_recorder_stop");
        int (*start)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "glowplug_recorder_start_threads");
        if (!stop || !start) _exit(3);
        stop();
        if (sem_getvalue(&served, &held) || held) _exit(4);
        if (start() || sem_wait(&served)) _exit(5);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (sem_getvalue(&served, &held) || held) return 6;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 7;
}
