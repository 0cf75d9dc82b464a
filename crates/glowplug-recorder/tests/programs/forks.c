// A forked child looks for files; so does its parent, before and after.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int status;
    access("/absent/before", F_OK);
    pid_t child = fork();
    if (child == 0) {
        access("/absent/child", F_OK);
        if (fork() == 0) {
            access("/absent/grandchild", F_OK);
            _exit(0);
        }
        wait(&status);
        _exit(0);
    }
    waitpid(child, &status, 0);
    child = vfork();
    if (child == 0) {
        execv("/bin/true", (char *[]){"true", 0});
        _exit(1);
    }
    waitpid(child, &status, 0);
    access("/absent/after", F_OK);
    return status;
}
