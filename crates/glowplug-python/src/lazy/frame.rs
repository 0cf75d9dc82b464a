//! What the mechanism asks of the running Python frame.

use super::Ptr;
use super::pending::Code;
use crate::object::Object;
use pyo3_ffi as ffi;

/// The running Python frame.
pub struct Frame {
    frame: *mut ffi::PyFrameObject,
    /// Its code object.
    pub code: Object,
}

impl Frame {
    /// The running frame; `None` where no Python code runs.
    ///
    /// # Safety
    /// GIL. The frame must not be kept longer than it runs.
    pub unsafe fn running() -> Option<Frame> {
        // SAFETY: GIL by the caller; a running frame has code.
        unsafe {
            let frame = ffi::PyEval_GetFrame();
            if frame.is_null() {
                return None;
            }
            let code = Object::owned(ffi::PyFrame_GetCode(frame).cast())?;
            Some(Frame { frame, code })
        }
    }

    /// The frame that waits for this one.
    ///
    /// # Safety
    /// As for [`Frame::running`].
    pub unsafe fn caller(&self) -> Option<Frame> {
        // SAFETY: GIL by the caller; a frame that waits is kept alive by the one that runs, so that the reference may go.
        unsafe {
            let caller = Object::owned(ffi::PyFrame_GetBack(self.frame).cast())?;
            let frame = caller.as_ptr().cast();
            Some(Frame { frame, code: Object::owned(ffi::PyFrame_GetCode(frame).cast())? })
        }
    }

    /// The line that runs, from 1; 0 where it is not known.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn line(&self) -> std::ffi::c_int {
        // SAFETY: GIL by the caller; the frame runs, by `running`.
        unsafe { ffi::PyFrame_GetLineNumber(self.frame) }
    }

    /// The byte offset of the instruction that runs; on 3.9 and 3.10 it may be that of an EXTENDED_ARG before it.
    #[cfg(Py_3_11)]
    pub fn offset(&self) -> Option<usize> {
        // SAFETY: the frame runs, by `running`.
        usize::try_from(unsafe { ffi::PyFrame_GetLasti(self.frame) }).ok()
    }

    /// As above.
    #[cfg(not(Py_3_11))]
    pub fn offset(&self) -> Option<usize> {
        // SAFETY: the frame runs, by `running`; the layout is that of this minor.
        let last = unsafe { (*self.frame.cast::<layout::FrameObject>()).last_instruction };
        Some(usize::try_from(last).ok()? * layout::BYTES_PER_STEP)
    }

    /// Whether an exception now would be handled by `try`. `read` is the frame's code object.
    #[cfg(Py_3_11)]
    pub fn in_try(&self, read: &Code, offset: usize) -> bool {
        // SAFETY: GIL, as the frame runs; `read` keeps both bytes objects alive.
        let (code, table) =
            unsafe { (bytes(read.bytecode.as_ptr()), bytes(read.exception_table.as_ptr())) };
        !table.is_empty() && super::statement::in_try(code, table, offset)
    }

    /// As above, by the blocks that the frame has entered: `with` enters one whose handler begins with WITH_EXCEPT_START.
    #[cfg(not(Py_3_11))]
    pub fn in_try(&self, read: &Code, _offset: usize) -> bool {
        use super::opcodes::WITH_EXCEPT_START;
        // SAFETY: GIL, as the frame runs; `read` keeps the bytes object alive.
        let code = unsafe { bytes(read.bytecode.as_ptr()) };
        // SAFETY: the frame runs, by `running`; the layout is that of this minor.
        let frame = unsafe { &*self.frame.cast::<layout::FrameObject>() };
        let depth = usize::try_from(frame.block_depth).unwrap_or(0).min(layout::MAX_BLOCKS);
        frame.blocks[..depth].iter().any(|block| {
            let handler = usize::try_from(block.handler).ok().map(|h| h * layout::BYTES_PER_STEP);
            handler
                .and_then(|h| code.get(h))
                .is_none_or(|&byte| u16::from(byte) != WITH_EXCEPT_START)
        })
    }

    /// Whether the frame is that of a module, a class or the like, whose names live in a dict.
    ///
    /// # Safety
    /// GIL.
    pub unsafe fn has_named_locals(&self) -> bool {
        // SAFETY: GIL by the caller; co_flags is an int.
        unsafe {
            let Some(flags) = self.code.attribute(c"co_flags") else { return false };
            ffi::PyLong_AsLong(flags.as_ptr()) & i64::from(ffi::CO_OPTIMIZED) == 0
        }
    }
}

/// The content of a bytes object.
///
/// # Safety
/// `object` is a bytes object that outlives the slice. GIL.
pub unsafe fn bytes<'a>(object: Ptr) -> &'a [u8] {
    // SAFETY: by the caller.
    unsafe {
        let (data, len) = (ffi::PyBytes_AsString(object), ffi::PyBytes_Size(object));
        match usize::try_from(len) {
            Ok(len) if !data.is_null() => std::slice::from_raw_parts(data.cast(), len),
            _ => &[],
        }
    }
}

/// `struct _frame` of `Include/cpython/frameobject.h` in 3.9 and 3.10.
#[cfg(not(Py_3_11))]
mod layout {
    use super::Ptr;
    use pyo3_ffi as ffi;
    use std::ffi::{c_char, c_int};

    /// 3.10 counts instructions, 3.9 bytes.
    pub const BYTES_PER_STEP: usize = if cfg!(Py_3_10) { 2 } else { 1 };
    /// `CO_MAXBLOCKS`.
    pub const MAX_BLOCKS: usize = 20;

    #[repr(C)]
    pub struct Block {
        kind: c_int,
        pub handler: c_int,
        level: c_int,
    }

    #[repr(C)]
    pub struct FrameObject {
        head: ffi::PyVarObject,
        back: Ptr,
        code: Ptr,
        builtins: Ptr,
        globals: Ptr,
        locals: Ptr,
        value_stack: *mut Ptr,
        #[cfg(not(Py_3_10))]
        stack_top: *mut Ptr,
        trace: Ptr,
        #[cfg(Py_3_10)]
        stack_depth: c_int,
        trace_lines: c_char,
        trace_opcodes: c_char,
        generator: Ptr,
        pub last_instruction: c_int,
        line: c_int,
        pub block_depth: c_int,
        state: c_char,
        pub blocks: [Block; MAX_BLOCKS],
    }
}

/// The beginning of `PyCodeObject`, the same from 3.11 to 3.14 (`Include/cpython/code.h`).
#[cfg(Py_3_11)]
#[repr(C)]
pub struct CodeObject {
    head: ffi::PyVarObject,
    consts: Ptr,
    /// `co_names`: a tuple.
    pub names: Ptr,
    exception_table: Ptr,
    /// `co_flags`.
    pub flags: std::ffi::c_int,
}

/// A code object's fields.
#[cfg(Py_3_11)]
pub fn code(object: Ptr) -> *const CodeObject {
    object.cast()
}

/// Whether code objects look as this library takes them to.
///
/// # Safety
/// GIL.
#[cfg(Py_3_11)]
pub unsafe fn knows_code_objects() -> bool {
    // SAFETY: GIL by the caller. The fields lie within any code object, and only their values are compared.
    unsafe {
        let text = c"a".as_ptr();
        let compiled = ffi::Py_CompileString(text, c"<glowplug>".as_ptr(), ffi::Py_eval_input);
        let Some(compiled) = Object::owned(compiled) else { return false };
        let (names, flags) = (compiled.attribute(c"co_names"), compiled.attribute(c"co_flags"));
        let fields = code(compiled.as_ptr());
        names.is_some_and(|names| names.as_ptr() == (*fields).names)
            && flags.is_some_and(|f| ffi::PyLong_AsLong(f.as_ptr()) == i64::from((*fields).flags))
    }
}

/// Gives the frames that run module code the builtins with keys: those of whoever installs the mechanism from Python.
///
/// # Safety
/// GIL.
#[cfg(Py_3_11)]
pub unsafe fn give_builtins(state: &super::state::State) {
    // SAFETY: GIL by the caller; each step owns the frame it looks at.
    unsafe {
        let mut frame = ffi::PyEval_GetFrame();
        if frame.is_null() {
            return;
        }
        ffi::Py_INCREF(frame.cast());
        while !frame.is_null() {
            let globals = Object::owned(ffi::PyFrame_GetGlobals(frame));
            let locals = Object::owned(ffi::PyFrame_GetLocals(frame));
            if let (Some(globals), Some(locals)) = (globals, locals)
                && globals.as_ptr() == locals.as_ptr()
                && interpreter_frame::set_builtins(frame, state)
            {
                super::install::adopt(state, globals.as_ptr());
            }
            let back = ffi::PyFrame_GetBack(frame);
            ffi::Py_DECREF(frame.cast());
            frame = back;
        }
    }
}

/// `_PyInterpreterFrame` of `Include/internal/pycore_frame.h` (3.14: `pycore_interpframe_structs.h`).
#[cfg(Py_3_11)]
mod interpreter_frame {
    use super::{Object, Ptr, ffi};
    use crate::lazy::state::State;

    /// `struct _frame`: head, the frame before, the interpreter's frame.
    #[repr(C)]
    struct FrameObject {
        head: ffi::PyObject,
        back: Ptr,
        frame: *mut [Ptr; 6],
    }

    /// Where the globals stand among the pointers that an interpreter's frame begins with; the builtins, borrowed, come next.
    const GLOBALS: usize = if cfg!(Py_3_12) { 3 } else { 1 };

    /// Gives a frame the builtins with keys. `false`, and nothing is changed, where it does not look as this minor's frames do.
    pub unsafe fn set_builtins(frame: *mut ffi::PyFrameObject, state: &State) -> bool {
        // SAFETY: GIL by the caller, who owns the frame; the two pointers are compared with what CPython says they are before one is
        // written, and the dict that is written lives for ever.
        unsafe {
            let fields = &mut *(*frame.cast::<FrameObject>()).frame;
            let globals = Object::owned(ffi::PyFrame_GetGlobals(frame));
            let builtins = Object::owned(ffi::PyFrame_GetBuiltins(frame));
            let as_known = globals.is_some_and(|g| g.as_ptr() == fields[GLOBALS])
                && builtins.is_some_and(|b| b.as_ptr() == fields[GLOBALS + 1]);
            if as_known && fields[GLOBALS + 1] == state.real_builtins {
                fields[GLOBALS + 1] = state.keys_in;
                return true;
            }
            false
        }
    }
}
