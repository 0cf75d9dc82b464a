//! What a program without C library must bring itself: entry point, memory routines, panic handler.

use core::arch::global_asm;

/// The stack that the restorer runs on: in its own .bss, far from every region of an image.
const STACK_LEN: usize = 64 * 1024;

#[repr(C, align(64))]
struct Stack(core::cell::UnsafeCell<[u8; STACK_LEN]>);

// SAFETY: only the entry code uses it, once, in a process with one thread.
unsafe impl Sync for Stack {}

#[unsafe(no_mangle)]
static RESTORER_STACK: Stack = Stack(core::cell::UnsafeCell::new([0; STACK_LEN]));

global_asm!(
    ".globl _start",
    "_start:",
    "    xor ebp, ebp",
    "    mov rdi, rsp",
    "    lea rsp, [rip + {stack} + {len}]",
    "    call {main}",
    "    ud2",
    stack = sym RESTORER_STACK,
    len = const STACK_LEN,
    main = sym crate::restorer_main,
);

global_asm!(
    ".globl memcpy",
    ".globl memmove",
    ".globl memset",
    ".globl memcmp",
    ".globl bcmp",
    ".globl strlen",
    "strlen:",
    "    xor eax, eax",
    "5:",
    "    cmp byte ptr [rdi + rax], 0",
    "    je 6f",
    "    inc rax",
    "    jmp 5b",
    "6:",
    "    ret",
    "memmove:",
    "    mov rax, rdi",
    "    sub rax, rsi",
    "    cmp rax, rdx",
    "    jb 2f",
    "memcpy:",
    "    mov rax, rdi",
    "    mov rcx, rdx",
    "    rep movsb",
    "    ret",
    "2:",
    "    mov rax, rdi",
    "    mov rcx, rdx",
    "    lea rdi, [rdi + rdx - 1]",
    "    lea rsi, [rsi + rdx - 1]",
    "    std",
    "    rep movsb",
    "    cld",
    "    ret",
    "memset:",
    "    mov r8, rdi",
    "    mov eax, esi",
    "    mov rcx, rdx",
    "    rep stosb",
    "    mov rax, r8",
    "    ret",
    "memcmp:",
    "bcmp:",
    "    xor eax, eax",
    "3:",
    "    test rdx, rdx",
    "    je 4f",
    "    movzx eax, byte ptr [rdi]",
    "    movzx ecx, byte ptr [rsi]",
    "    inc rdi",
    "    inc rsi",
    "    dec rdx",
    "    sub eax, ecx",
    "    je 3b",
    "4:",
    "    ret",
);

/// Nothing here panics; a bug that does must not go on.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    crate::syscall::exit(125)
}
