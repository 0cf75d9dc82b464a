//! The stages of a thaw, in order. Each returns an [`Obstacle`] that still lets plain Python be executed; after stage 9 there is no way back.

use crate::fallback::{Digits, say};
use crate::stack::KernelStack;
use crate::syscall::{self, Errno};
use crate::vdso::{self, Vdso};
use core::convert::Infallible;
use core::ffi::CStr;
use glowplug_image::{
    Context, HEAD_LEN, Head, HotRange, PAGE, Region, RegionKind, Section, ThawInfo, cpu, params,
    region, state,
};

/// Where head and sections are mapped: near the restorer, where no region is.
const TABLES_AT: u64 = 0x100_1000_0000;

/// What the launcher asked for.
pub struct Start {
    /// The parameter string, taken out of the environment.
    pub string: &'static CStr,
    /// The interpreter's path, the tail of that string.
    pub python: &'static CStr,
    params: params::Params<'static>,
}

impl Start {
    /// Whether a `params::FLAG_*` is set.
    pub fn has(&self, flag: u64) -> bool {
        self.params.flags & flag != 0
    }

    /// Whether the restorer may start itself again.
    pub fn may_retry(&self) -> bool {
        self.params.tries < params::MAX_TRIES
    }

    /// The image's descriptor.
    pub fn image_fd(&self) -> usize {
        self.params.image_fd as usize
    }
}

/// Why the image cannot be thawed in this process.
#[derive(Clone, Copy, Debug)]
pub enum Obstacle {
    /// Something of this process lies where a region belongs.
    Layout,
    /// The restorer could not start itself again for another layout.
    Retry(Errno),
    /// The head or a table is damaged.
    Damaged,
    /// The CPU is another, or lacks what the image needs.
    Cpu,
    /// The kernel's vdso lacks a function that no system call stands for.
    Kernel,
    /// The stack limit is lower than what the frozen stack takes.
    StackLimit,
    /// This process has the id that the frozen one or its parent had.
    SameProcessId,
    /// The heap's end cannot be moved where it must be.
    Heap,
    /// The kernel refused a mapping.
    Mapping(Errno),
}

impl Obstacle {
    /// In words.
    pub fn text(&self) -> &'static [u8] {
        match self {
            Obstacle::Layout => b"the image's addresses stayed occupied",
            Obstacle::Retry(_) => b"the restorer could not start itself again",
            Obstacle::Damaged => b"the image is damaged",
            Obstacle::Cpu => b"the image was made on another CPU",
            Obstacle::Kernel => {
                b"the kernel's vdso lacks a function that no system call stands for"
            }
            Obstacle::StackLimit => b"the stack limit is lower than what the frozen stack takes",
            Obstacle::SameProcessId => b"this process has the frozen one's id",
            Obstacle::Heap => b"the kernel does not let the heap be moved",
            Obstacle::Mapping(_) => b"the kernel refused a mapping",
        }
    }

    /// Whether another start on this machine will fare no better.
    pub fn is_of_machine(&self) -> bool {
        matches!(self, Obstacle::Cpu | Obstacle::Kernel | Obstacle::Heap | Obstacle::Mapping(_))
    }

    /// The kernel's error number, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Obstacle::Retry(errno) | Obstacle::Mapping(errno) => Some(*errno),
            _ => None,
        }
    }
}

/// Stage 1: takes the launcher's parameters out of the environment.
pub fn read_parameters(stack: &mut KernelStack) -> Option<Start> {
    let is_ours = |index: &usize| {
        stack.environment(*index).is_some_and(|s| s.to_bytes().starts_with(params::NAME))
    };
    let index = (0..stack.envc()).rev().find(is_ours)?;
    let string = stack.environment(index)?;
    let params = params::Params::parse(string.to_bytes())?;
    let tail = string.to_bytes_with_nul().len().checked_sub(params.python.len() + 1)?;
    let python = CStr::from_bytes_with_nul(string.to_bytes_with_nul().get(tail..)?).ok()?;
    stack.remove_environment(index);
    Some(Start { string, python, params })
}

/// Stages 2 to 10. Returns only where the image cannot be thawed.
pub fn run(stack: &mut KernelStack, start: &Start) -> Result<Infallible, Obstacle> {
    syscall::close_on_exec(start.image_fd(), true);
    let tables = map_tables(start.image_fd())?;
    check_machine(tables.head())?;
    map_regions(&tables, start.image_fd())?;
    redirect_vdso(&tables.head().context, stack)?;
    populate(&tables);
    move_layout(&tables.head().context, stack, start)?;
    set_thread(&tables.head().context);
    syscall::close(start.image_fd());
    let ignored = set_signals(&tables.head().context);
    jump(tables, stack, start, ignored)
}

/// Head and sections of the image, mapped read-only.
struct Tables {
    len: u64,
    file_len: u64,
}

impl Tables {
    fn bytes(&self) -> &'static [u8] {
        // SAFETY: `map_tables` mapped `len` readable bytes there, private, which stay until the jump.
        unsafe { core::slice::from_raw_parts(TABLES_AT as *const u8, self.len as usize) }
    }

    fn head(&self) -> &'static Head {
        // SAFETY: as above; `map_tables` had `Head::parse` accept these bytes, and Head has no invalid bit patterns.
        unsafe { &*(TABLES_AT as *const Head) }
    }

    fn regions(&self) -> &'static [Region] {
        self.head().table(Section::Regions, self.bytes())
    }

    fn hot(&self) -> &'static [HotRange] {
        self.head().table(Section::Hot, self.bytes())
    }
}

/// Stage 2: maps and checks the head and the tables.
fn map_tables(fd: usize) -> Result<Tables, Obstacle> {
    let file_len = syscall::file_len(fd).map_err(Obstacle::Mapping)?;
    if file_len < HEAD_LEN as u64 {
        return Err(Obstacle::Damaged);
    }
    let map = |len| {
        syscall::map(TABLES_AT, len, syscall::PROT_READ, syscall::MAP_PRIVATE, Some((fd, 0)))
            .map_err(Obstacle::Mapping)
    };
    map(HEAD_LEN as u64)?;
    let mut tables = Tables { len: HEAD_LEN as u64, file_len };
    let len = Head::parse(tables.bytes(), file_len).map_err(|_| Obstacle::Damaged)?.pages_offset;
    // SAFETY: nothing of the first mapping is referred to any more.
    unsafe { syscall::unmap(TABLES_AT, HEAD_LEN as u64) };
    map(len)?;
    tables.len = len;
    Head::parse(tables.bytes(), file_len).map_err(|_| Obstacle::Damaged)?;
    tables.head().verify(tables.bytes()).map_err(|_| Obstacle::Damaged)?;
    if tables.head().is_refusal() {
        return Err(Obstacle::Damaged);
    }
    Ok(tables)
}

/// Stage 3: the CPU and the process id.
fn check_machine(head: &Head) -> Result<(), Obstacle> {
    if !head.suits(&cpu::words()) {
        return Err(Obstacle::Cpu);
    }
    // OpenSSL and others take an equal process id for the same process, and would go on with the frozen generator's state.
    if [head.context.pid, head.context.parent_pid].contains(&syscall::process_id()) {
        return Err(Obstacle::SameProcessId);
    }
    Ok(())
}

/// Stage 4: maps every region at its address, never over anything.
fn map_regions(tables: &Tables, fd: usize) -> Result<(), Obstacle> {
    for region in tables.regions() {
        if !region.is_sound(tables.file_len) {
            return Err(Obstacle::Damaged);
        }
        if region.kind() == Some(RegionKind::Stack) {
            map_stack(region, &tables.head().context)?;
            continue;
        }
        map_region(region, fd).map_err(|errno| {
            if errno == syscall::EEXIST { Obstacle::Layout } else { Obstacle::Mapping(errno) }
        })?;
    }
    Ok(())
}

/// Where the stack begins under this process's limit.
fn stack_start(reserve: &Region, context: &Context) -> u64 {
    let limit = syscall::stack_limit() & !(PAGE - 1);
    context.stack_top.saturating_sub(limit).max(reserve.addr)
}

/// Maps the reserve of the stack, as large as this process's limit says.
fn map_stack(region: &Region, context: &Context) -> Result<(), Obstacle> {
    let start = stack_start(region, context);
    let lower = syscall::stack_limit() < context.stack_limit;
    if start > region.end() || lower && context.stack_fixed != 0 {
        return Err(Obstacle::StackLimit);
    }
    if start == region.end() {
        return Ok(());
    }
    let reserve = Region { addr: start, len: region.end() - start, ..*region };
    map_region(&reserve, usize::MAX).map_err(|errno| {
        if errno == syscall::EEXIST { Obstacle::Layout } else { Obstacle::Mapping(errno) }
    })
}

fn map_region(region: &Region, fd: usize) -> Result<(), Errno> {
    let reserve = if region.noreserve != 0 { syscall::MAP_NORESERVE } else { 0 };
    let private = syscall::MAP_PRIVATE | reserve;
    let prot = usize::from(region.prot);
    let (addr, len) = (region.addr, region.len);
    let Some(kind) = region.kind() else { return Ok(()) };
    match kind {
        RegionKind::Image => syscall::map(addr, len, prot, private, Some((fd, region.offset))),
        RegionKind::Zero | RegionKind::Stack => syscall::map(addr, len, prot, private, None),
        RegionKind::Droppable => {
            match syscall::map(addr, len, prot, syscall::MAP_DROPPABLE | reserve, None) {
                // A kernel without MAP_DROPPABLE: the C library asks for wiping there.
                Err(Errno(22)) => map_wiped(addr, len, prot, private),
                result => result,
            }
        }
        RegionKind::Wiped => map_wiped(addr, len, prot, private),
        RegionKind::Guard => {
            syscall::map(addr, len, prot, private, None)?;
            // SAFETY: the range was mapped just now.
            unsafe {
                syscall::advise(addr, len, syscall::MADV_GUARD_INSTALL)
                    .or_else(|_| syscall::protect(addr, len, 0))
            }
        }
        RegionKind::Vdso => {
            let writable = syscall::PROT_READ | syscall::PROT_WRITE;
            syscall::map(addr, len, writable, private, Some((fd, region.offset)))
        }
    }
}

fn map_wiped(addr: u64, len: u64, prot: usize, flags: usize) -> Result<(), Errno> {
    syscall::map(addr, len, prot, flags, None)?;
    // SAFETY: the range was mapped just now.
    unsafe { syscall::advise(addr, len, syscall::MADV_WIPEONFORK) }
}

/// Stage 5: writes at each function of the old vdso a jump to the same function of the new one.
fn redirect_vdso(context: &Context, stack: &KernelStack) -> Result<(), Obstacle> {
    if context.vdso_addr == 0 {
        return Ok(());
    }
    let (_, _, auxiliary) = stack.auxiliary();
    // SAFETY: the address is the kernel's.
    let vdso = unsafe { Vdso::new(auxiliary.vdso) };
    let used = context.vdso_count as usize;
    for symbol in context.vdso_symbols.get(..used).ok_or(Obstacle::Damaged)? {
        if symbol.offset.checked_add(16).is_none_or(|end| end > context.vdso_len) {
            return Err(Obstacle::Damaged);
        }
        let code = match vdso.as_ref().and_then(|vdso| vdso.find(&symbol.name)) {
            Some(target) => vdso::jump_to(target),
            None => vdso::system_call(&symbol.name).ok_or(Obstacle::Kernel)?,
        };
        let at = (context.vdso_addr + symbol.offset) as *mut [u8; vdso::CODE_LEN];
        // SAFETY: stage 4 mapped the old vdso's range writable; the offset lies inside.
        unsafe { at.write(code) };
    }
    // SAFETY: the range is the old vdso's, mapped in stage 4.
    unsafe {
        syscall::protect(
            context.vdso_addr,
            context.vdso_len,
            syscall::PROT_READ | syscall::PROT_EXEC,
        )
    }
    .map_err(Obstacle::Mapping)
}

/// Stage 6: populates the pages that a start writes to. Only speed hangs on it.
fn populate(tables: &Tables) {
    for hot in tables.hot() {
        let inside = tables
            .regions()
            .iter()
            .any(|r| r.prot & region::WRITE != 0 && hot.addr >= r.addr && hot.addr < r.end());
        if inside {
            // SAFETY: populating does not change contents.
            let _ = unsafe { syscall::advise(hot.addr, hot.len, syscall::MADV_POPULATE_WRITE) };
        }
    }
}

/// Stage 7: the heap's place, the arguments and the environment, and the process's name.
fn move_layout(context: &Context, stack: &KernelStack, start: &Start) -> Result<(), Obstacle> {
    let end_of = |string: &CStr| string.as_ptr() as u64 + string.count_bytes() as u64 + 1;
    let argument_start = stack.argument(0).map_or(stack.address(), |a| a.as_ptr() as u64);
    let argument_end = stack.argument(stack.argc().wrapping_sub(1)).map_or(argument_start, end_of);
    let environment_end =
        stack.environment(stack.envc().wrapping_sub(1)).map_or(argument_end, end_of);
    let (auxiliary, auxiliary_len, _) = stack.auxiliary();
    let layout = &context.layout;
    let map = [
        layout.start_code,
        layout.end_code,
        layout.start_data,
        layout.end_data,
        layout.start_brk,
        layout.brk,
        stack.address(),
        argument_start,
        argument_end,
        argument_end,
        environment_end,
        auxiliary,
        u64::from(auxiliary_len) | u64::from(u32::MAX) << 32,
    ];
    // Without the call, a brk above the frozen heap would let the frozen C library believe that it grew.
    if syscall::set_layout(&map).is_err() && syscall::current_brk() > layout.start_brk {
        return Err(Obstacle::Heap);
    }
    let mut name = [0u8; 16];
    let path = start.python.to_bytes();
    let base = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
    for (slot, &byte) in name.iter_mut().take(15).zip(base) {
        *slot = byte;
    }
    syscall::set_name(&name);
    Ok(())
}

/// Stage 8: what kernel and C library keep for the thread.
fn set_thread(context: &Context) {
    // SAFETY: all addresses are the frozen thread's own, mapped in stage 4. This is the last stage that may not fail: the restorer
    // itself uses neither thread pointer nor thread id.
    unsafe {
        if context.altstack_len != 0 {
            syscall::set_altstack(context.altstack_addr, context.altstack_len);
        }
        let tid = syscall::set_tid_address(context.tid_addr);
        (context.tid_addr as *mut u32).write(tid);
        syscall::set_robust_list(context.robust_head, context.robust_len);
        if context.rseq_addr != 0 {
            core::ptr::write_bytes(context.rseq_addr as *mut u8, 0, context.rseq_len as usize);
            // cpu_id: uninitialised, so that a refused registration makes the C library ask the kernel instead.
            ((context.rseq_addr + 4) as *mut u32).write(u32::MAX);
            let _ = syscall::register_rseq(context.rseq_addr, context.rseq_len);
        }
        syscall::set_fs_base(context.fs_base);
    }
}

/// Stage 9: signal dispositions; only now that the thread is the frozen one, whose handlers may run at once. What the parent ignores stays
/// ignored; the result has a bit for each such signal.
fn set_signals(context: &Context) -> u64 {
    let mut ignored = 0;
    for (index, frozen) in context.signals.iter().enumerate() {
        let mut inherited = [0u64; 4];
        // SAFETY: only asks.
        if unsafe { syscall::signal_action(index + 1, None, Some(&mut inherited)) }.is_err() {
            continue;
        }
        if inherited.first() == Some(&1) {
            ignored |= 1 << index;
        }
        if frozen.handler != 0 {
            let action = [frozen.handler, frozen.flags, frozen.restorer, frozen.mask];
            // SAFETY: a frozen handler is code of the image, mapped in stage 4, and runs on the image's own data and, since
            // stage 8, with its own thread pointer; the stack under it is the restorer's, to which it returns.
            let _ = unsafe { syscall::signal_action(index + 1, Some(&action), None) };
        }
    }
    ignored
}

/// Stage 10: leaves the process a note, and goes on where it stood still.
fn jump(tables: Tables, stack: &KernelStack, start: &Start, ignored: u64) -> ! {
    let context = &tables.head().context;
    let now = syscall::monotonic_ns();
    let reserve = tables.regions().iter().find(|r| r.kind() == Some(RegionKind::Stack));
    let info = ThawInfo {
        kernel_stack: stack.address(),
        argc: stack.argc() as u64,
        envc: stack.envc() as u64,
        ignored_signals: ignored,
        target_kind: start.params.target_kind,
        target_index: start.params.target_index,
        jump_ns: now,
        flags: start.params.flags,
        stack_start: reserve.map_or(0, |reserve| stack_start(reserve, context)),
        stack_top: context.stack_top,
    };
    // SAFETY: the frozen process gave the address of a ThawInfo of its own.
    unsafe { (context.info_addr as *mut ThawInfo).write(info) };
    if start.has(params::FLAG_EXPLAIN) {
        explain(now.saturating_sub(start.params.start_ns));
    }
    let state::Registers { rsp, rip } = context.registers;
    let len = tables.len.next_multiple_of(PAGE);
    // SAFETY: rsp and rip are those of the frozen process at its freeze point, which expects 1 in rax. The tables are not
    // used after they are unmapped: all that is needed is in registers.
    unsafe {
        core::arch::asm!(
            "syscall",
            "mov rsp, r12",
            "mov eax, 1",
            "jmp r13",
            in("r12") rsp,
            in("r13") rip,
            in("rax") 11usize,
            in("rdi") TABLES_AT,
            in("rsi") len,
            options(noreturn),
        )
    }
}

fn explain(elapsed_ns: u64) {
    let microseconds = elapsed_ns / 1000;
    say(&[
        b"glowplug: thawed in ",
        Digits::new(microseconds / 1000).as_bytes(),
        b".",
        Digits::new(microseconds / 100 % 10).as_bytes(),
        b" ms\n",
    ]);
}
