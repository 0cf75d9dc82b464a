// A plugin for QEMU's user mode, 7.2 or newer, with which a thread's CPU time is what the program has executed: a nanosecond for an
// instruction. At its end a program's count goes to the file that $INSTRUCTIONS names. See benches/instruction_clock.py.
//
// The declarations are those of version 1 of QEMU's plugin API, as far as they are needed; Debian has no header of it.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern void qemu_plugin_register_vcpu_syscall_cb(
    plugin_id,
    void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
extern void qemu_plugin_register_vcpu_syscall_ret_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, int64_t));
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);

int qemu_plugin_version = 1;

enum { ADD = 0 };

static uint64_t executed;
// Where the system call that the thread is making wants its CPU time.
static __thread struct timespec *asked;

static void translated(plugin_id id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD, &executed, qemu_plugin_tb_n_insns(block));
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t clock, uint64_t time, uint64_t c, uint64_t d, uint64_t e,
                   uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    asked = number == SYS_clock_gettime && clock == CLOCK_THREAD_CPUTIME_ID ? (struct timespec *)time : NULL;
}

static void returned(plugin_id id, unsigned cpu, int64_t number, int64_t result) {
    (void)id, (void)cpu, (void)number;
    if (asked && result == 0) {
        asked->tv_sec = executed / 1000000000;
        asked->tv_nsec = executed % 1000000000;
    }
    asked = NULL;
}

static void ended(plugin_id id, void *path) {
    (void)id;
    FILE *file = fopen(path, "w");
    if (file) {
        fprintf(file, "%lu\n", executed);
        fclose(file);
    }
}

int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments) {
    (void)info, (void)count, (void)arguments;
    char *path = getenv("INSTRUCTIONS");
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    qemu_plugin_register_vcpu_syscall_ret_cb(id, returned);
    if (path) qemu_plugin_register_atexit_cb(id, ended, path);
    return 0;
}
